package dev.pgbelay.idempotency.reconciliation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.idempotency.IdempotencyKey;
import dev.pgbelay.idempotency.payment.PaymentOperation.Settlement;
import dev.pgbelay.idempotency.reconciliation.Finding.Action;
import dev.pgbelay.idempotency.reconciliation.Till.Compared;
import dev.pgbelay.idempotency.testing.ProviderFault;
import dev.pgbelay.testing.PostgresExtension;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Where neither side's silence says anything. */
class ReconciliationDoubtPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.create().withTemplate(Till.SCHEMA);

  private final Till till = new Till(postgres.dataSource(), postgres.jdbcUrl());

  @AfterEach
  void close() {
    till.close();
  }

  /** As providers do that list by the day, or by the time of the last change. */
  private Compared compareWithAListThatGoesBackFurther() throws Exception {
    return till.compareWith(till.reconciliation((since, next) -> till.page(Instant.EPOCH, next)));
  }

  private void purge() {
    assertThat(till.operation.purge().build().run().rows()).isEqualTo(1);
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void chargeOfAPaymentThatMayBePurged_isNotMissingHere(boolean namesItsPayment) throws Exception {
    till.metadata = namesItsPayment;
    till.ago(Duration.ofDays(4));
    till.paid("purged");
    purge();
    Compared compared = compareWithAListThatGoesBackFurther();
    assertThat(compared.findings()).isEmpty();
    assertThat(compared.report().unjudged()).isEqualTo(1);
  }

  /** It is still there, and beyond the pages that are read; no record says that it is its own. */
  @Test
  void chargeOlderThanTheListThatNamesNobody_isNotMissingHere() throws Exception {
    till.metadata = false;
    till.ago(Duration.ofHours(60));
    till.paid("old");
    Compared compared = compareWithAListThatGoesBackFurther();
    assertThat(compared.findings()).isEmpty();
    assertThat(compared.report().unjudged()).isEqualTo(1);
  }

  @Test
  void chargeOlderThanTheListThatNamesItsPayment_isJudgedAsLongAsPaymentsAreKept()
      throws Exception {
    till.ago(Duration.ofHours(60));
    IdempotencyKey lost = till.key("lost");
    till.client.charge(
        till.operation.providerKey(lost, Till.CHARGED), Till.reference(lost), 100, "eur");
    assertThat(compareWithAListThatGoesBackFurther().only().action()).isEqualTo(Action.REFUND);
  }

  /** What was kept when the list was asked for can be purged by the time it is compared. */
  @Test
  void retentionThatEndsWhileARunLasts_isByTheTimeOfTheSecondLook() {
    Instant openedAt = Instant.parse("2026-11-21T12:00:00Z");
    Duration margin = Duration.ofMinutes(5);
    Duration retention = Duration.ofHours(10);
    Instant from = openedAt.minus(Duration.ofHours(9));
    ReconciliationReport.Window window =
        new ReconciliationReport.Window(from, openedAt.minus(margin), from.minus(margin), margin);
    ProviderRecord record =
        new ProviderRecord(
            "ch-1",
            Optional.of("made-up"),
            Optional.of(till.key("k")),
            new Amount(100, "EUR"),
            ProviderRecord.State.SUCCEEDED,
            from);
    long now = System.nanoTime();
    assertThat(alone(window, retention, now, record).finding()).isNotNull();
    long hourAgo = now - Duration.ofHours(1).toNanos();
    assertThat(alone(window, retention, hourAgo, record)).isEqualTo(Judgement.UNJUDGED);
  }

  private static Judgement alone(
      ReconciliationReport.Window window,
      Duration retention,
      long openedAt,
      ProviderRecord record) {
    return new Comparison<String>(
            window, true, openedAt, retention, Duration.ZERO, Duration.ZERO, null)
        .alone(record, null);
  }

  @Test
  void statusQueryThatFailsWhenItHasTheLastWord_settlesNothing() throws Exception {
    IdempotencyKey key = till.unknown("k", ProviderFault.DROP_BEFORE_ACTING);
    till.age(key, Duration.ofHours(30));
    Finding finding = till.compare().only();
    assertThat(finding.action()).isEqualTo(Action.SETTLE_NOT_DONE);
    assertThat(finding.confirmed()).isTrue();
    till.hasStatusQuery = false;
    assertThatThrownBy(() -> till.reconciliation().apply(finding))
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("status query")
        .hasMessageContaining("again");
    assertThat(till.state(key)).isEqualTo("UNKNOWN");
    till.hasStatusQuery = true;
    assertThat(till.reconciliation().apply(finding)).isEqualTo(Settlement.SETTLED);
  }

  @Test
  void findingOfAnotherOperation_isNotApplied() throws Exception {
    IdempotencyKey key = till.unknown("k", ProviderFault.DROP_AFTER_ACTING);
    Finding finding = till.compare().only();
    try (Till other = new Till(postgres.dataSource(), postgres.jdbcUrl())) {
      assertThatThrownBy(() -> other.reconciliation().apply(finding))
          .isInstanceOf(PgBelayException.class)
          .hasMessageContaining(other.name)
          .hasMessageContaining(key.toString());
    }
    assertThat(till.state(key)).isEqualTo("UNKNOWN");
  }
}

package dev.pgbelay.idempotency.reconciliation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.idempotency.Answer;
import dev.pgbelay.idempotency.IdempotencyKey;
import dev.pgbelay.idempotency.Outcome;
import dev.pgbelay.idempotency.payment.Execution;
import dev.pgbelay.idempotency.payment.ProviderReply;
import dev.pgbelay.idempotency.reconciliation.Finding.Action;
import dev.pgbelay.idempotency.reconciliation.Finding.Kind;
import dev.pgbelay.idempotency.reconciliation.Till.Compared;
import dev.pgbelay.idempotency.testing.ListFault;
import dev.pgbelay.idempotency.testing.ProviderFault;
import dev.pgbelay.testing.PostgresExtension;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Function;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What happens while a comparison runs is no finding; what could not be read is not missing. */
class ReconciliationRacesPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.create().withTemplate(Till.SCHEMA);

  private final Till till = new Till(postgres.dataSource(), postgres.jdbcUrl());

  @AfterEach
  void close() {
    till.close();
  }

  /** A payment of this moment, on both clocks. */
  private void payNow(IdempotencyKey key) {
    till.ago(Duration.ZERO);
    assertThat(till.operation.execute(key, "100").outcome()).isEqualTo(Outcome.EXECUTED);
  }

  private static Function<Execution<String>, Amount> once(Runnable first) {
    AtomicBoolean done = new AtomicBoolean();
    return execution -> {
      if (done.compareAndSet(false, true)) {
        first.run();
      }
      return Till.expected(execution);
    };
  }

  @Test
  void chargesThatComeInWhilePagesAreRead_areNoFindings() throws Exception {
    for (int i = 1; i <= 5; i++) {
      till.paid("k" + i);
    }
    AtomicBoolean shifted = new AtomicBoolean();
    Compared compared =
        till.compareWith(
            till.reconciliation(
                (since, next) -> {
                  if (next.isPresent() && shifted.compareAndSet(false, true)) {
                    payNow(till.key("new-1"));
                  }
                  ProviderRecords.Page page = till.page(since, next);
                  if (page.next().isEmpty()) {
                    payNow(till.key("new-2"));
                  }
                  return page;
                }));
    assertThat(compared.findings()).isEmpty();
    assertThat(compared.report().whole()).isTrue();
    assertThat(compared.report().records()).as("one of them twice").isEqualTo(6);
    assertThat(compared.report().matched()).isEqualTo(5);
    assertThat(compared.report().inFlight()).as("too late for the list").isEqualTo(2);
  }

  /** Unknown when the list was read, and charged and booked by the time it is looked at here. */
  @Test
  void chargeMadeBehindTheList_isInFlightAndNotMissingThere() throws Exception {
    IdempotencyKey key = till.unknown("k", ProviderFault.DROP_BEFORE_ACTING);
    till.hasStatusQuery = false;
    Compared compared = till.compareWith(till.reconciliation(till.then(() -> payNow(key))));
    assertThat(till.provider.charges()).hasSize(1);
    assertThat(compared.findings()).isEmpty();
    assertThat(compared.report().inFlight()).isEqualTo(1);
  }

  @Test
  void webhookThatSettlesBehindTheList_leavesNoFinding() throws Exception {
    IdempotencyKey key = till.unknown("k", ProviderFault.DROP_AFTER_ACTING);
    Compared compared =
        till.compareWith(
            till.reconciliation(
                till.then(
                    () ->
                        till.operation.settle(
                            key, Till.CHARGED, ProviderReply.succeeded("ch-1")))));
    assertThat(compared.findings()).isEmpty();
    assertThat(compared.report().inFlight()).as("settled, and not finished").isEqualTo(1);
  }

  /** Between the two looks at it. */
  @Test
  void answerThatComesBetweenTheTwoLooks_leavesNoFinding() throws Exception {
    IdempotencyKey key = till.unknown("k", ProviderFault.DROP_AFTER_ACTING);
    Compared compared =
        till.compareWith(till.reconciliation(till::page).expected(once(() -> payNow(key))));
    assertThat(compared.findings()).isEmpty();
    assertThat(compared.report().matched()).isEqualTo(1);
    assertThat(till.state(key)).isEqualTo("COMPLETED");
  }

  /** It moves from the end of the index, where open payments stand, to where nobody looks again. */
  @Test
  void paymentThatFinishesWhileOursAreRead_isMetAllTheSame() throws Exception {
    till.metadata = false;
    IdempotencyKey first = till.unknown("a", ProviderFault.DROP_AFTER_ACTING);
    IdempotencyKey second = till.unknown("b", ProviderFault.DROP_AFTER_ACTING);
    Compared compared =
        till.compareWith(
            till.reconciliation(till::page).pageSize(1).expected(once(() -> payNow(second))));
    Finding finding = compared.only();
    assertThat(finding.payment()).contains(first);
    assertThat(finding.action()).isEqualTo(Action.SETTLE_SUCCEEDED);
    assertThat(compared.report().matched()).isEqualTo(1);
  }

  @Test
  void paymentWhoseCallRuns_isInFlight() throws Exception {
    till.provider.next(ProviderFault.HOLD_AFTER_ACTING);
    IdempotencyKey key = till.key("k");
    CompletableFuture<Answer<String>> running =
        CompletableFuture.supplyAsync(() -> till.operation.execute(key, "100"));
    await().atMost(Duration.ofMinutes(1)).until(() -> till.provider.held() == 1);
    Compared compared = till.compare();
    assertThat(compared.findings()).isEmpty();
    assertThat(compared.report().inFlight()).isEqualTo(1);
    till.provider.release();
    assertThat(running.get(1, TimeUnit.MINUTES).outcome()).isEqualTo(Outcome.EXECUTED);
  }

  @Test
  void pageThatCannotBeRead_leavesNothingMissingThere() throws Exception {
    for (int i = 1; i <= 4; i++) {
      till.paid("k" + i);
    }
    IdempotencyKey newest = till.unknown("u", ProviderFault.DROP_AFTER_ACTING);
    till.hasStatusQuery = false;
    till.provider.nextPages(ListFault.NONE, ListFault.ERROR, ListFault.ERROR, ListFault.ERROR);
    Compared compared = till.compare();
    ReconciliationReport report = compared.report();
    assertThat(report.whole()).isFalse();
    assertThat(report.isClean()).isFalse();
    assertThat(report.gap()).isEqualTo("page 2 could not be read");
    assertThat(report.pages()).isEqualTo(1);
    assertThat(report.matched()).isEqualTo(1);
    assertThat(report.unjudged()).isEqualTo(3);
    assertThat(compared.only().payment()).contains(newest);
    assertThat(till.counter("runs", "result", "incomplete")).isEqualTo(1);
    till.provider.nextPages(ListFault.NONE, ListFault.ERROR, ListFault.ERROR);
    assertThat(till.compare().report().whole()).as("the third time it could").isTrue();
  }

  /** Nobody can tell from the list that it is not whole. */
  @Test
  void pageThatGotLost_isNoticedByTheStatusQuery() throws Exception {
    for (int i = 1; i <= 5; i++) {
      till.paid("k" + i);
    }
    till.provider.nextPages(ListFault.NONE, ListFault.LOSE_PAGE);
    Compared compared = till.compare();
    assertThat(compared.findings()).isEmpty();
    assertThat(compared.report().matched()).isEqualTo(3);
    assertThat(compared.report().unjudged()).isEqualTo(2);
    assertThat(compared.report().whole()).isFalse();
    assertThat(compared.report().gap()).startsWith("2 that its status query knows");
  }

  @Test
  void pageThatComesTwice_isNoDuplicateAndOneThatNamesItselfIsNoEnd() throws Exception {
    for (int i = 1; i <= 5; i++) {
      till.paid("k" + i);
    }
    till.provider.nextPages(ListFault.NONE, ListFault.REPEAT_PAGE);
    Compared repeated = till.compare();
    assertThat(repeated.report().isClean()).isTrue();
    assertThat(repeated.report().matched()).isEqualTo(5);
    assertThat(repeated.report().records()).isEqualTo(7);
    till.provider.nextPages(ListFault.NONE, ListFault.STAY);
    Compared stays = till.compare();
    assertThat(stays.report().gap()).isEqualTo("page 2 names itself as the next one");
    assertThat(stays.findings()).isEmpty();
    Compared cut = till.compareWith(till.reconciliation(till::page).mostPages(2));
    assertThat(cut.report().gap()).isEqualTo("there are more than 2 pages");
    assertThat(cut.report().unjudged()).isEqualTo(1);
  }

  @Test
  void youngerRun_endsTheOlderOneAndClearsItsRecordsAway() throws Exception {
    till.paid("k");
    Reconciliation<String, String> younger = till.reconciliation();
    Reconciliation<String, String> older =
        till.reconciliation(
                till.then(
                    () -> {
                      try {
                        assertThat(Till.compare(younger).report().isClean()).isTrue();
                      } catch (InterruptedException e) {
                        throw new AssertionError(e);
                      }
                    }))
            .build();
    assertThatThrownBy(() -> Till.compare(older))
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("ended by a younger one");
    assertThat(till.scratch()).isZero();
    assertThat(till.counter("runs", "result", "failed")).isEqualTo(1);
  }

  /** As a crash of the server does to tables of which nothing is logged. */
  @Test
  void recordsThatACrashEmptied_endTheRunInsteadOfMissing() throws Exception {
    till.paid("k");
    Reconciliation<String, String> reconciliation =
        till.reconciliation(
                till.then(
                    () -> {
                      till.dsl.execute("delete from pgbelay.payment_provider_record");
                      till.dsl.execute("delete from pgbelay.payment_reconciliation");
                    }))
            .build();
    till.hasStatusQuery = false;
    assertThatThrownBy(() -> Till.compare(reconciliation))
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("restart of the server");
  }

  @Test
  void recordsThatAnEndedRunLeft_areClearedAwayByTheNext() throws Exception {
    till.paid("k");
    Reconciliation<String, String> failing =
        till.reconciliation(till::page)
            .expected(
                execution -> {
                  throw new AssertionError("an error of the caller's");
                })
            .build();
    till.client.charge("nobody", "by hand", 1, "eur");
    assertThatThrownBy(() -> Till.compare(failing)).isInstanceOf(AssertionError.class);
    assertThat(till.scratch()).isEqualTo(2);
    assertThat(till.compare().only().kind()).isEqualTo(Kind.MISSING_HERE);
    assertThat(till.scratch()).isZero();
  }

  @Test
  void interruptWhileTheProviderIsAsked_endsTheRun() {
    Reconciliation<String, String> reconciliation =
        till.reconciliation(
                (since, next) -> {
                  Thread.currentThread().interrupt();
                  throw new IllegalStateException("as clients do");
                })
            .attempts(1, Duration.ofMillis(1))
            .build();
    try {
      assertThatThrownBy(() -> Till.compare(reconciliation))
          .isInstanceOf(InterruptedException.class);
    } finally {
      Thread.interrupted();
    }
  }
}

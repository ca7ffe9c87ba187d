package dev.pgbelay.idempotency.webhook;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.idempotency.Codec;
import dev.pgbelay.idempotency.Fingerprint;
import dev.pgbelay.idempotency.IdempotencyKey;
import dev.pgbelay.idempotency.payment.PaymentOperation;
import dev.pgbelay.idempotency.payment.Payments;
import dev.pgbelay.idempotency.payment.ProviderLimits;
import dev.pgbelay.idempotency.payment.ProviderReply;
import dev.pgbelay.idempotency.payment.SimulatedBank;
import dev.pgbelay.idempotency.payment.StepKey;
import dev.pgbelay.idempotency.testing.CrashPoints;
import dev.pgbelay.idempotency.testing.CrashReport;
import dev.pgbelay.idempotency.testing.SimulatedProcess;
import dev.pgbelay.idempotency.webhook.StoredEvent.State;
import dev.pgbelay.testing.PostgresExtension;
import java.time.Duration;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.postgresql.ds.PGSimpleDataSource;

/** An event, whose process is killed and stopped at every boundary it has. */
class WebhookCrashPointsPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.create().withTemplate(Inboxes.SCHEMA);

  private static final StepKey<String> CHARGED = StepKey.of("charge", Codec.text());

  /** Whoever stopped while he wrote the payment has it locked. */
  private static final TxOptions SETTLING =
      TxOptions.builder().path("settling").lockTimeout(Duration.ofMillis(200)).build();

  private final Inboxes bank = new Inboxes(postgres.dataSource());
  private final SimulatedBank lossy = new SimulatedBank().losingAnswers();

  @Test
  void eventKilledOrStoppedAtAnyBoundary_hasItsEffectOnce() throws Exception {
    PGSimpleDataSource database = new PGSimpleDataSource();
    database.setUrl(postgres.jdbcUrl());
    CrashReport report =
        CrashPoints.of(database, this::deliverAndProcess, key -> bank.seen(key).size())
            .consistent((answer, effects) -> effects == 1)
            .patience(Duration.ofMinutes(2))
            .stoppedFor(Duration.ofSeconds(1))
            .run();
    System.out.println(report.runs() + " runs at " + report.boundaries());
    report.requireSound();
    assertThat(report.boundaries())
        .anyMatch(boundary -> boundary.startsWith("before INSERT INTO"))
        .anyMatch(boundary -> boundary.startsWith("after insert into seen"));
  }

  /** A provider that delivers until it gets an answer, and a worker in the same process. */
  private Optional<String> deliverAndProcess(SimulatedProcess process, String key)
      throws Exception {
    WebhookInbox inbox =
        WebhookInbox.builder(
                Transactions.of(process.dataSource()),
                bank.provider,
                bank.signatures,
                bank.inbox().options().ids())
            .lease(Duration.ofMillis(300))
            .attempts(1_000, Inboxes.MOMENT, Inboxes.MOMENT)
            .build();
    bank.deliver(inbox, key, "paid");
    WebhookWorker.builder(inbox, Inboxes::see).build().runOnce();
    return inbox.find(key).filter(event -> event.state() == State.PROCESSED).map(StoredEvent::id);
  }

  @Test
  @EnabledIfSystemProperty(named = "pgbelay.scale", matches = "full")
  void paymentSettledByAnEvent_killedOrStoppedAtAnyBoundary_chargesOnceAndHasOneAnswer()
      throws Exception {
    PGSimpleDataSource database = new PGSimpleDataSource();
    database.setUrl(postgres.jdbcUrl());
    CrashReport report =
        CrashPoints.of(database, this::payBySettlement, lossy::charged)
            .consistent((answer, effects) -> answer.equals("paid by event") && effects == 1)
            .patience(Duration.ofMinutes(2))
            .stoppedFor(Duration.ofSeconds(1))
            .run();
    System.out.println(report.runs() + " runs at " + report.boundaries());
    report.requireSound();
    assertThat(report.boundaries()).contains("after call charge");
    assertThat(bank.dsl.fetch("select contradiction from pgbelay.payment"))
        .allMatch(row -> row.get(0) == null);
  }

  /** The bank's answer is lost, its event comes, and the same call ends. */
  private Optional<String> payBySettlement(SimulatedProcess process, String key) throws Exception {
    Transactions transactions = Transactions.of(process.dataSource());
    Payments payments =
        Payments.builder(transactions, process.dataSource()).lease(Duration.ofMillis(300)).build();
    process.atEnd(payments);
    PaymentOperation<String, String> checkout =
        payments
            .operation(
                "settled-checkout",
                request -> Fingerprint.of(1, request.getBytes(UTF_8)),
                Codec.text(),
                Codec.text())
            .attempts(1_000, Duration.ofMillis(1), Duration.ofMillis(10))
            .provider(
                CHARGED,
                lossy.askedBy(process),
                ProviderLimits.builder("bank", Duration.ofHours(24), Duration.ofMinutes(1))
                    .attempts(1, Inboxes.MOMENT)
                    .build())
            .respond((tx, execution) -> "paid by " + execution.result(CHARGED))
            .build();
    IdempotencyKey own = checkout.key("shop", key);
    checkout.execute(own, "one coffee");
    WebhookInbox inbox =
        WebhookInbox.builder(
                transactions, bank.provider, bank.signatures, bank.inbox().options().ids())
            .options(SETTLING)
            .lease(Duration.ofMillis(300))
            .attempts(1_000, Inboxes.MOMENT, Inboxes.MOMENT)
            .build();
    if (lossy.charged(key) > 0) {
      bank.deliver(inbox, key, "paid");
    }
    WebhookWorker.builder(
            inbox,
            (tx, event) ->
                Handled.after(
                    checkout.settle(
                        tx,
                        checkout.key("shop", event.id()),
                        CHARGED,
                        ProviderReply.succeeded("event"))))
        .build()
        .runOnce();
    return checkout.execute(own, "one coffee").response();
  }
}

package dev.pgbelay.idempotency.webhook;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.idempotency.testing.CrashPoints;
import dev.pgbelay.idempotency.testing.CrashReport;
import dev.pgbelay.idempotency.testing.SimulatedProcess;
import dev.pgbelay.idempotency.webhook.StoredEvent.State;
import dev.pgbelay.testing.PostgresExtension;
import java.time.Duration;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.postgresql.ds.PGSimpleDataSource;

/** An event, whose process is killed and stopped at every boundary it has. */
class WebhookCrashPointsPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.create().withTemplate(Inboxes.SCHEMA);

  private final Inboxes bank = new Inboxes(postgres.dataSource());

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
}

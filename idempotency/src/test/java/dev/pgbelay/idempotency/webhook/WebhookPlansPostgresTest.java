package dev.pgbelay.idempotency.webhook;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.idempotency.Plans;
import dev.pgbelay.testing.PostgresExtension;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** As {@code PaymentPlansPostgresTest}, for events. */
class WebhookPlansPostgresTest {
  private static final Plans PLANS = new Plans();

  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(Inboxes.SCHEMA).withObserver(PLANS);

  private final Inboxes bank = new Inboxes(postgres.dataSource());

  private void fill() {
    bank.dsl.execute(
        """
        insert into pgbelay.webhook_event
          (provider, event_id, fingerprint_version, fingerprint, headers, body, state,
           received_at, finished_at)
        select ?, 'e' || n, 1, sha256('x'), 'x', 'x', 'PROCESSED', t, t
          from (select n, clock_timestamp() - n * interval '1 s' as t
                  from generate_series(1, 5000) as n) as made
        """,
        bank.provider);
  }

  @Test
  void withoutStatistics_oneEventIsFoundByItsIdAndOpenOnesByTheTime() throws Exception {
    Plans.withoutStatistics(postgres.dataSource(), "webhook_event");
    WebhookInbox inbox = bank.inbox();
    useEachStatement(inbox);
    List<String> all = PLANS.about("webhook_event");
    List<String> byTime =
        all.stream()
            .filter(statement -> statement.matches("(?s).*finished_at\"? (=|<) ('infinity'|now).*"))
            .toList();
    List<String> byKey =
        all.stream()
            .filter(statement -> statement.matches("(?s).*event_id = (\\?|asked).*"))
            .toList();
    assertThat(byTime)
        .anyMatch(statement -> statement.contains("statement_timestamp()"))
        .anyMatch(statement -> statement.contains("pgbelay_range"))
        .anyMatch(statement -> statement.startsWith("delete"));
    assertThat(byKey)
        .anyMatch(statement -> statement.contains("asked.i"))
        .anyMatch(statement -> statement.contains("'PROCESSED'"))
        .anyMatch(statement -> statement.contains("FOR NO KEY UPDATE"));
    bank.dsl.execute("truncate pgbelay.webhook_event");
    assertPlans(byKey, "webhook_event_pkey", "webhook_event_due");
    fill();
    assertPlans(byKey, "webhook_event_pkey", "webhook_event_due");
    assertPlans(
        byTime.stream().filter(statement -> statement.contains("'infinity'")).toList(),
        "webhook_event_due",
        "Seq Scan");
    Plans.assertNone(bank.dsl, "webhook_event");
    bank.dsl.execute("analyze pgbelay.webhook_event");
    assertPlans(byKey, "webhook_event_pkey", "webhook_event_due");
    assertPlans(byTime, "webhook_event_due", "Seq Scan");
  }

  private void useEachStatement(WebhookInbox inbox) throws Exception {
    bank.deliver(inbox, "paid", "paid");
    bank.deliver(inbox, "paid", "paid");
    bank.deliver(inbox, "odd", "odd");
    WebhookWorker.builder(
            inbox,
            (tx, event) -> event.id().equals("odd") ? Handled.park("odd") : Inboxes.see(tx, event))
        .build()
        .runOnce();
    assertThat(inbox.pending(10)).isEmpty();
    assertThat(inbox.parked(10)).hasSize(1);
    inbox.read("paid");
    inbox.redrive("odd");
    inbox.redriveAll();
    inbox.discard("odd", "odd");
    for (var purge : inbox.purges()) {
      purge.build().run();
    }
  }

  private static void assertPlans(List<String> statements, String with, String without)
      throws SQLException {
    List<String> wrong = new ArrayList<>();
    for (String statement : statements) {
      String plan = String.join("\n", Plans.of(postgres.dataSource(), "webhook_event", statement));
      if (!plan.contains(with) || plan.contains(without) || plan.contains("Seq Scan on webhook")) {
        wrong.add(statement + "\n" + plan);
      }
    }
    assertThat(String.join("\n\n", wrong)).isEmpty();
  }
}

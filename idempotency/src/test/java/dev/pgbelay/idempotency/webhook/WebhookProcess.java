package dev.pgbelay.idempotency.webhook;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.idempotency.ChildProcess;
import java.time.Duration;

/**
 * A JVM that takes an event in and, if it is told to, processes it and never ends its handler. It
 * says in its output how far it is, and waits to be killed.
 */
final class WebhookProcess {
  static final String STORED = "stored";
  static final String HANDLING = "handling";
  static final Duration LEASE = Duration.ofSeconds(1);

  private WebhookProcess() {}

  /** With the address of the database, the provider, the event, and where it stops. */
  public static void main(String[] args) throws Exception {
    ChildProcess.endWithParent();
    HikariDataSource pool = Inboxes.pool(args[0], 4, "select 1");
    Inboxes bank = new Inboxes(pool, args[1]);
    WebhookInbox inbox = bank.inbox(builder -> builder.lease(LEASE));
    if (bank.deliver(inbox, args[2], "paid").outcome() == Reception.Outcome.STORED) {
      System.out.println(STORED);
    }
    if (args[3].equals(HANDLING)) {
      WebhookWorker.builder(
              inbox,
              (tx, event) -> {
                Inboxes.see(tx, event);
                System.out.println(HANDLING);
                Thread.sleep(Duration.ofHours(1).toMillis());
                return Handled.processed();
              })
          .build()
          .runOnce();
    }
    Thread.sleep(Duration.ofHours(1).toMillis());
  }
}

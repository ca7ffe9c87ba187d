package dev.pgbelay.examples.demo.outbox;

import dev.pgbelay.core.TxWork;
import dev.pgbelay.examples.demo.DemoContext;
import dev.pgbelay.examples.demo.Node;
import dev.pgbelay.examples.demo.Study;
import dev.pgbelay.examples.demo.report.Comparison;
import dev.pgbelay.examples.demo.report.Damage;
import dev.pgbelay.examples.demo.report.Measure;
import dev.pgbelay.outbox.Outbox;
import dev.pgbelay.outbox.OutboxRelay;
import java.util.List;
import java.util.Set;

/** What does an event tell whose transaction is rolled back? */
final class RolledBack implements Study {
  private static final int PURCHASES = 500;
  private static final int EVERY = 25;
  private static final String TASK = "Transactions that are rolled back";

  /** The card was declined, the stock had gone. */
  private static final class Declined extends Exception {
    private static final long serialVersionUID = 1L;
  }

  @Override
  public Findings run(DemoContext context) throws Exception {
    return new Findings(List.of(compare(context)), List.of());
  }

  private Comparison compare(DemoContext context) throws Exception {
    Broker naive = new Broker();
    Set<String> purchased = publishThenCommit(context, naive);
    int untrue = naive.invented(purchased);
    context.progress().step(TASK, 1, 2);
    Broker safe = new Broker();
    Set<String> appended = append(context, safe);
    int untrueStill = safe.invented(appended);
    context.progress().step(TASK, 2, 2);
    return new Comparison(
        "rolled-back",
        "Purchases that are committed; one transaction of 25 is rolled back at its end",
        "publishes within the transaction",
        "Outbox.append in the transaction",
        Measure.rows(naive.events() - untrue),
        Measure.rows(safe.events() - untrueStill),
        List.of(new Damage("events about purchases that do not exist", untrue, untrueStill)),
        "An event cannot be called back when its transaction fails.");
  }

  private static Set<String> publishThenCommit(DemoContext context, Broker broker) {
    Purchases.create(context.primary());
    for (int i = 1; i <= PURCHASES; i++) {
      String number = "order-" + i;
      boolean declined = i % EVERY == 0;
      attempt(
          context,
          tx -> {
            Purchases.insert(tx.dsl(), number);
            broker.send(number);
            end(declined);
          });
    }
    return Purchases.all(context.primary());
  }

  @SuppressWarnings("try") // a relay works until it is closed
  private static Set<String> append(DemoContext context, Broker broker) throws Exception {
    Purchases.create(context.primary());
    Outbox outbox = Outbox.create();
    try (Node node = new Node(context, "relay");
        OutboxRelay relay = Relaying.start(node, outbox, broker)) {
      for (int i = 1; i <= PURCHASES; i++) {
        String number = "order-" + i;
        boolean declined = i % EVERY == 0;
        attempt(
            context,
            tx -> {
              Purchases.insert(tx.dsl(), number);
              outbox.append(tx, Relaying.event(number));
              end(declined);
            });
      }
      Relaying.awaitDrained(context.primary());
    }
    return Purchases.all(context.primary());
  }

  private static void end(boolean declined) throws Declined {
    if (declined) {
      throw new Declined();
    }
  }

  private static void attempt(DemoContext context, TxWork.Action<Declined> purchase) {
    try {
      context.transactions().execute(purchase);
    } catch (Declined e) {
      return; // rolled back, and the customer told so
    }
  }
}

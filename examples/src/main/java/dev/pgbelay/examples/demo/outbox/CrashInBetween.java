package dev.pgbelay.examples.demo.outbox;

import dev.pgbelay.examples.demo.DemoContext;
import dev.pgbelay.examples.demo.Node;
import dev.pgbelay.examples.demo.Study;
import dev.pgbelay.examples.demo.report.Comparison;
import dev.pgbelay.examples.demo.report.Damage;
import dev.pgbelay.examples.demo.report.Measure;
import dev.pgbelay.outbox.Outbox;
import dev.pgbelay.outbox.OutboxRelay;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/** What becomes of events whose process dies right behind the commit? */
final class CrashInBetween implements Study {
  static final int PROCESSES = 10;
  private static final int PURCHASES_EACH = 50;
  private static final int PURCHASES = PROCESSES * PURCHASES_EACH;
  private static final String TASK = "Processes that die behind a commit";

  @Override
  public Findings run(DemoContext context) throws Exception {
    return new Findings(List.of(compare(context)), List.of());
  }

  private Comparison compare(DemoContext context) throws Exception {
    Broker naive = new Broker();
    Set<String> purchased = commitThenPublish(context, naive);
    int lost = naive.lost(purchased);
    context.progress().step(TASK, 1, 2);
    Broker safe = new Broker();
    Set<String> appended = append(context, safe);
    context.progress().step(TASK, 2, 2);
    return new Comparison(
        "crash-in-between",
        "Purchases whose event arrived; ten processes, each dies after the commit of its fiftieth",
        "commits, then publishes",
        "Outbox.append in the transaction, OutboxRelay",
        Measure.rows(PURCHASES - lost),
        Measure.rows(PURCHASES - safe.lost(appended)),
        List.of(new Damage("events lost", lost, safe.lost(appended))),
        "What was committed and not yet published died with its process. With pgbelay the next"
            + " process sent it; "
            + safe.repeats()
            + " events came twice, which is what the Inbox of a consumer is for.");
  }

  private static Set<String> commitThenPublish(DemoContext context, Broker broker)
      throws Exception {
    Purchases.create(context.primary());
    for (int process = 0; process < PROCESSES; process++) {
      try (Node node = new Node(context, "process-" + process)) {
        for (int i = 1; i <= PURCHASES_EACH; i++) {
          String number = process + "-" + i;
          node.transactions().execute(tx -> Purchases.insert(tx.dsl(), number));
          if (i < PURCHASES_EACH) { // else it dies here
            broker.send(number);
          }
        }
      }
    }
    return Purchases.all(context.primary());
  }

  @SuppressWarnings("try") // a relay works until it is closed
  private static Set<String> append(DemoContext context, Broker broker) throws Exception {
    Purchases.create(context.primary());
    List<Node> dead = new ArrayList<>();
    List<OutboxRelay> theirs = new ArrayList<>();
    try {
      for (int process = 0; process < PROCESSES; process++) {
        Outbox outbox = Outbox.create();
        Node node = new Node(context, "process-" + process);
        dead.add(node);
        theirs.add(Relaying.start(node, outbox, broker));
        for (int i = 1; i <= PURCHASES_EACH; i++) {
          String number = process + "-" + i;
          node.transactions()
              .execute(
                  tx -> {
                    Purchases.insert(tx.dsl(), number);
                    outbox.append(tx, Relaying.event(number));
                  });
        }
        node.stop(); // it dies here, and its relay with it
      }
      try (Node last = new Node(context, "last");
          OutboxRelay relay = Relaying.start(last, Outbox.create(), broker)) {
        Relaying.awaitDrained(context.primary());
      }
      return Purchases.all(context.primary());
    } finally {
      dead.forEach(Node::resume); // it is over, and their threads may end
      theirs.forEach(relay -> relay.stop(Duration.ofSeconds(5)));
      dead.forEach(Node::close);
    }
  }
}

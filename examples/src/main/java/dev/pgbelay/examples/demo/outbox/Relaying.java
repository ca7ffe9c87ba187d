package dev.pgbelay.examples.demo.outbox;

import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.table;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.examples.demo.Node;
import dev.pgbelay.outbox.Destination;
import dev.pgbelay.outbox.NewMessage;
import dev.pgbelay.outbox.Outbox;
import dev.pgbelay.outbox.OutboxRelay;
import dev.pgbelay.outbox.route.Routes;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.jooq.DSLContext;

/** The outbox of this demo, and a relay for each process of it. */
final class Relaying {
  static final String TOPIC = "purchases";
  private static final String DESTINATION = "demo-broker";
  private static final long LONGEST = TimeUnit.SECONDS.toNanos(60);

  private Relaying() {}

  static void route(Transactions transactions) {
    transactions.execute(tx -> Routes.create().add(tx, TOPIC, DESTINATION));
  }

  static NewMessage event(String purchase) {
    return NewMessage.text(TOPIC, purchase).withKey(purchase);
  }

  static OutboxRelay start(Node node, Outbox outbox, Broker broker) {
    OutboxRelay relay =
        OutboxRelay.builder(node.transactions(), node.heartbeats())
            .name(node.name())
            .deliver(Destination.of(DESTINATION, broker))
            .lease(Duration.ofSeconds(1))
            .wokenBy(outbox)
            .build();
    relay.start();
    return relay;
  }

  /** Until everything that was appended is delivered, and that is written down. */
  static void awaitDrained(DSLContext dsl) throws InterruptedException {
    long start = System.nanoTime();
    while (dsl.fetchExists(table(name("pgbelay", "outbox_message")))) {
      if (System.nanoTime() - start > LONGEST) {
        throw new IllegalStateException("the outbox was not empty in a minute");
      }
      TimeUnit.MILLISECONDS.sleep(5);
    }
  }
}

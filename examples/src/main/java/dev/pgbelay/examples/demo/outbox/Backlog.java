package dev.pgbelay.examples.demo.outbox;

import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.table;

import dev.pgbelay.examples.demo.DemoContext;
import dev.pgbelay.examples.demo.Node;
import dev.pgbelay.examples.demo.Study;
import dev.pgbelay.examples.demo.report.Comparison;
import dev.pgbelay.examples.demo.report.Measure;
import dev.pgbelay.outbox.NewMessage;
import dev.pgbelay.outbox.Outbox;
import dev.pgbelay.outbox.OutboxRelay;
import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;

/** The broker was away; how long until all that waits is sent, each key in its order? */
final class Backlog implements Study {
  private static final int EVENTS = 100_000;
  private static final int SHARE = 100;
  private static final int KEYS = 1_000;
  private static final int BULK = 10_000;
  private static final String TASK = "A backlog of events";

  private static final Table<Record> EVENT = table(name("shop", "event"));
  private static final Field<Integer> ID = field(name("id"), SQLDataType.INTEGER.nullable(false));

  @Override
  public Findings run(DemoContext context) throws Exception {
    return new Findings(List.of(compare(context)), List.of());
  }

  private Comparison compare(DemoContext context) throws Exception {
    int few = EVENTS / SHARE;
    double perEvent = oneByOne(context.primary(), few) / few;
    context.progress().step(TASK, 1, 2);
    double safe = drained(context);
    context.progress().step(TASK, 2, 2);
    return new Comparison(
        "backlog",
        String.format(Locale.ROOT, "%,d events that wait, sent in the order of their keys", EVENTS),
        "takes the oldest, sends it, deletes it, commits",
        "OutboxRelay with its default settings",
        Measure.estimatedSeconds(perEvent * EVENTS),
        Measure.seconds(safe),
        List.of(),
        String.format(
            Locale.ROOT,
            "One at a time keeps the order, and drains %,.0f events a second; pgbelay %,.0f.",
            1 / perEvent,
            EVENTS / safe));
  }

  private static double oneByOne(DSLContext dsl, int events) {
    dsl.dropTableIfExists(EVENT).execute();
    dsl.createTable(EVENT).column(ID).constraints(DSL.primaryKey(ID)).execute();
    dsl.insertInto(EVENT)
        .select(DSL.select(ID).from(DSL.generateSeries(1, events).as("g", "id")))
        .execute();
    Broker broker = new Broker();
    long start = System.nanoTime();
    while (broker.events() < events) {
      dsl.transaction(
          inner -> {
            int oldest =
                inner.dsl().select(ID).from(EVENT).orderBy(ID).limit(1).forUpdate().fetchSingle(ID);
            broker.send(Integer.toString(oldest));
            inner.dsl().deleteFrom(EVENT).where(ID.eq(oldest)).execute();
          });
    }
    return (System.nanoTime() - start) / 1e9;
  }

  @SuppressWarnings("try") // a relay works until it is closed
  private static double drained(DemoContext context) throws Exception {
    Outbox outbox = Outbox.create();
    for (int from = 0; from < EVENTS; from += BULK) {
      List<NewMessage> bulk =
          IntStream.range(from, from + BULK)
              .mapToObj(
                  i ->
                      NewMessage.text(Relaying.TOPIC, Integer.toString(i))
                          .withKey("customer-" + i % KEYS))
              .toList();
      context.transactions().execute(tx -> outbox.appendAll(tx, bulk));
    }
    Broker broker = new Broker();
    try (Node node = new Node(context, "backlog")) {
      long start = System.nanoTime();
      try (OutboxRelay relay = Relaying.start(node, outbox, broker)) {
        Relaying.awaitDrained(context.primary());
        double seconds = (System.nanoTime() - start) / 1e9;
        if (broker.events() != EVENTS) {
          throw new IllegalStateException(broker.events() + " of " + EVENTS + " events arrived");
        }
        return seconds;
      }
    }
  }
}

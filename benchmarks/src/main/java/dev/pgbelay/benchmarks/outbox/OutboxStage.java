package dev.pgbelay.benchmarks.outbox;

import dev.pgbelay.benchmarks.BenchServer;
import dev.pgbelay.benchmarks.Contestant;
import dev.pgbelay.benchmarks.Stage;
import java.util.ArrayList;
import java.util.List;
import javax.sql.DataSource;

/** The same contestants for messages that come and for those that are there. */
record OutboxStage(String part, List<OutboxContestant> all) implements Stage {
  private static final int BATCH = 500;

  static OutboxStage of(String part, BenchServer server, long events) {
    DataSource pool = server.dataSource();
    boolean backlog = part.equals(OutboxContestant.BACKLOG);
    List<OutboxContestant> all = new ArrayList<>();
    all.add(new OutboxContestant(LIMIT, new HandWrittenOutbox(pool, 1, BATCH), events, true));
    all.add(
        new OutboxContestant("pgbelay", new PgbelayOutbox(pool, server.jdbcUrl()), events, true));
    if (!backlog) {
      all.add(new OutboxContestant("no events", new NoEvents(pool), events, false));
    }
    all.add(
        new OutboxContestant(
            "hand-written (4 relays, no order)",
            new HandWrittenOutbox(pool, 4, BATCH),
            events,
            true));
    all.add(
        new OutboxContestant(
            "transaction-outbox", new GruelboxOutbox(pool), events / (backlog ? 10 : 2), true));
    return new OutboxStage(part, List.copyOf(all));
  }

  @Override
  public List<String> parts() {
    return List.of(part);
  }

  @Override
  public List<Contestant> contestants() {
    return List.copyOf(all);
  }

  @Override
  public void close() {
    all.forEach(OutboxContestant::close);
  }

  @Override
  public List<String> notes() {
    return List.of(
        "limit: one relay takes 500 in an order that is safe against late commits, delivers them"
            + " and deletes them in one transaction: a crash repeats up to 500",
        "pgbelay: OutboxRelay with default settings, in the order of 200 keys, each message fenced;"
            + " through the last acknowledgement",
        "transaction-outbox 4.2.268, which keeps no order: 16 threads, flushed over and over; "
            + (part.equals(OutboxContestant.BACKLOG) ? "a tenth" : "half")
            + " of the events");
  }
}

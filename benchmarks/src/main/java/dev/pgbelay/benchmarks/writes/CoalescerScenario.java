package dev.pgbelay.benchmarks.writes;

import dev.pgbelay.batch.WriteCoalescer;
import dev.pgbelay.benchmarks.BenchServer;
import dev.pgbelay.benchmarks.BenchSettings;
import dev.pgbelay.benchmarks.Scenario;
import dev.pgbelay.benchmarks.Stage;
import dev.pgbelay.core.Transactions;
import java.util.List;
import java.util.concurrent.ExecutionException;
import javax.sql.DataSource;

/** Many threads that each have one row at a time and wait until it is committed. */
public final class CoalescerScenario implements Scenario {
  private static final int THREADS = 64;

  /** Single writes are so much slower that a tenth of the rows takes as long. */
  private static final int SINGLE_SHARE = 10;

  @Override
  public String name() {
    return "coalescer";
  }

  @Override
  public String description() {
    return "64 threads that write a row and wait for its commit: rows per second, p99 of a submit";
  }

  @Override
  public long defaultRows(boolean full) {
    return full ? 1_000_000 : 100_000;
  }

  @Override
  public Stage prepare(BenchServer server, BenchSettings settings) throws Exception {
    DataSource pool = server.dataSource();
    Items items = Items.load(pool, settings.rows(), true, Items.Before.NOTHING);
    long single = Math.max(THREADS, settings.rows() / SINGLE_SHARE);
    WriteStage stage = new WriteStage(items, List.of(WriteStage.ROWS_PER_SECOND));
    String url = server.jdbcUrl();
    return stage
        .add(contestant(Stage.LIMIT, items, single, new SingleWrites(url, 16)))
        .add(contestant("pgbelay", items, Long.MAX_VALUE, new Coalesced(pool, 1)))
        .add(contestant("pgbelay (2 flushers)", items, Long.MAX_VALUE, new Coalesced(pool, 2)))
        .add(
            contestant(
                "hand-written queue and unnest",
                items,
                Long.MAX_VALUE,
                HandMadeQueue.inTransactions(pool)))
        .add(
            contestant(
                "hand-written queue and unnest (autocommit)",
                items,
                Long.MAX_VALUE,
                HandMadeQueue.underAutocommit(pool)))
        .add(
            CoalescerContestant.writingNothing(
                "queue alone, nothing is written", items, THREADS, HandMadeQueue.writingNothing()))
        .add(contestant("singly (8 connections)", items, single, new SingleWrites(url, 8)))
        .add(contestant("singly (64 connections)", items, single, new SingleWrites(url, 64)))
        .note(
            "limit: the same %d threads write singly, an upsert with autocommit each, over a pool of"
                    .formatted(THREADS)
                + " 16 connections; those who write singly write %,d rows".formatted(single))
        .note(
            "queue alone: the same hand-over between %d threads and one, without a database: no way of"
                    .formatted(THREADS)
                + " writing together can be faster here")
        .note(
            "submit: from the call until the row is known to be committed, waits for a connection"
                + " or for room included");
  }

  private static CoalescerContestant contestant(
      String name, Items items, long most, RowWriter writer) throws Exception {
    return new CoalescerContestant(name, items, most, THREADS, writer);
  }

  private static final class Coalesced implements RowWriter {
    private final WriteCoalescer<Item> coalescer;

    Coalesced(DataSource dataSource, int flushers) {
      this.coalescer =
          WriteCoalescer.builder(Transactions.of(dataSource), PgbelayWrites.writer().build())
              .flushers(flushers)
              .build();
    }

    @Override
    public void write(Item item) throws ExecutionException, InterruptedException {
      coalescer.submit(item).get();
    }

    @Override
    public void close() {
      coalescer.close();
    }
  }
}

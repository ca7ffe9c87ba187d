package dev.pgbelay.benchmarks.writes;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import javax.sql.DataSource;

/**
 * A queue and a thread that writes what is in it as arrays, or writes nothing at all, which shows
 * what the hand-over between threads alone allows. No bad rows, no metrics, no end.
 */
final class HandMadeQueue implements RowWriter {
  private record Pending(Item item, CompletableFuture<Boolean> written) {}

  private static final int MOST = 1_000;

  private final BlockingQueue<Pending> queue = new ArrayBlockingQueue<>(10 * MOST);
  private final WriteWay way;
  private final Thread writer = new Thread(this::run, "hand-made-queue");

  private HandMadeQueue(WriteWay way) {
    this.way = way;
    writer.setDaemon(true);
    writer.start();
  }

  static HandMadeQueue inTransactions(DataSource dataSource) {
    return new HandMadeQueue(
        new JdbcWrites(dataSource)
            .arrays(WriteSql.UPSERT_ARRAYS, JdbcWrites::bindArrays, Integer.MAX_VALUE));
  }

  static HandMadeQueue underAutocommit(DataSource dataSource) {
    return new HandMadeQueue(
        new JdbcWrites(dataSource)
            .arraysAutocommit(WriteSql.UPSERT_ARRAYS, JdbcWrites::bindArrays));
  }

  static HandMadeQueue writingNothing() {
    return new HandMadeQueue(rows -> {});
  }

  @Override
  public void write(Item item) throws Exception {
    Pending pending = new Pending(item, new CompletableFuture<>());
    queue.put(pending);
    pending.written().get();
  }

  private void run() {
    List<Pending> batch = new ArrayList<>();
    try {
      while (true) {
        batch.clear();
        batch.add(queue.take());
        queue.drainTo(batch, MOST - 1);
        write(batch);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** A write that fails is the failure of its callers, and the next one is tried. */
  private void write(List<Pending> batch) {
    try {
      way.write(batch.stream().map(Pending::item).toList());
      batch.forEach(pending -> pending.written().complete(true));
    } catch (Throwable e) {
      batch.forEach(pending -> pending.written().completeExceptionally(e));
      if (e instanceof InterruptedException) {
        Thread.currentThread().interrupt();
      }
    }
  }

  @Override
  public void close() {
    writer.interrupt();
  }
}

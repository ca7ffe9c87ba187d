package dev.pgbelay.benchmarks.writes;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import javax.sql.DataSource;

/**
 * A queue and threads that write what is in it as arrays, or write nothing at all, which shows what
 * the hand-over between threads alone allows. No bad rows, no metrics, no end.
 */
final class HandMadeQueue implements RowWriter {
  private record Pending(Item item, CompletableFuture<Boolean> written) {}

  private static final int MOST = 1_000;

  private final BlockingQueue<Pending> queue = new ArrayBlockingQueue<>(10 * MOST);
  private final WriteWay way;
  private final List<Thread> writers = new ArrayList<>();

  private HandMadeQueue(WriteWay way, int threads) {
    this.way = way;
    for (int i = 1; i <= threads; i++) {
      Thread writer = new Thread(this::run, "hand-made-queue-" + i);
      writer.setDaemon(true);
      writers.add(writer);
    }
    writers.forEach(Thread::start);
  }

  static HandMadeQueue writing(DataSource dataSource, int threads) {
    return new HandMadeQueue(
        new JdbcWrites(dataSource)
            .arrays(WriteSql.UPSERT_ARRAYS, JdbcWrites::bindArrays, Integer.MAX_VALUE),
        threads);
  }

  static HandMadeQueue writingNothing() {
    return new HandMadeQueue(rows -> {}, 1);
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
    writers.forEach(Thread::interrupt);
  }
}

package dev.pgbelay.benchmarks.writes;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import javax.sql.DataSource;

/** A queue and a thread that writes what is in it as arrays: no bad rows, no metrics, no end. */
final class HandMadeQueue implements RowWriter {
  private record Pending(Item item, CompletableFuture<Boolean> written) {}

  private static final int MOST = 1_000;

  private final BlockingQueue<Pending> queue = new ArrayBlockingQueue<>(10 * MOST);
  private final WriteWay way;
  private final Thread writer = new Thread(this::run, "hand-made-queue");

  HandMadeQueue(DataSource dataSource) {
    this.way =
        new JdbcWrites(dataSource)
            .arrays(WriteSql.UPSERT_ARRAYS, JdbcWrites::bindArrays, Integer.MAX_VALUE);
    writer.setDaemon(true);
    writer.start();
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
        way.write(batch.stream().map(Pending::item).toList());
        batch.forEach(pending -> pending.written().complete(true));
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } catch (Exception e) {
      batch.forEach(pending -> pending.written().completeExceptionally(e));
    }
  }

  @Override
  public void close() {
    writer.interrupt();
  }
}

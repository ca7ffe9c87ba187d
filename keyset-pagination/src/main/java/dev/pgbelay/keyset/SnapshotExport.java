package dev.pgbelay.keyset;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.keyset.KeysetExport.Progress;
import dev.pgbelay.keyset.PageReader.Chunk;
import dev.pgbelay.keyset.PageStatement.Limits;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * One run of an export by several readers on one snapshot. The calling thread keeps the snapshot's
 * transaction and walks along the keys alone, from one stretch's start to the next; readers take
 * stretches as they are found. A stretch is a start and a number of rows: within one snapshot that
 * is exact, and no reader needs an upper bound.
 */
final class SnapshotExport<T> {
  /** Stretches that wait for a reader, per reader: enough to stay ahead, few enough to be small. */
  private static final int WAITING_PER_READER = 2;

  private static final int CHUNKS_PER_STRETCH = 8;
  private static final Stretch END = new Stretch(Boundary.NONE, 0);

  private final KeysetQuery<T> query;
  private final Transactions transactions;
  private final TxOptions options;
  private final int chunkRows;
  private final Consumer<Progress> onProgress;
  private final AtomicReference<@Nullable Throwable> failure = new AtomicReference<>();
  private final Object progressLock = new Object();
  private long rows;

  /** Rows to read behind a position. */
  private record Stretch(Boundary start, long rows) {}

  SnapshotExport(
      KeysetQuery<T> query,
      Transactions transactions,
      TxOptions options,
      int chunkRows,
      Consumer<Progress> onProgress) {
    this.query = query;
    this.transactions = transactions;
    // Running any part again would be another snapshot, or the same rows twice.
    this.options =
        options.toBuilder()
            .isolation(TxOptions.Isolation.REPEATABLE_READ)
            .readOnly(true)
            .retry(TxOptions.Retry.none())
            .build();
    this.chunkRows = chunkRows;
    this.onProgress = onProgress;
  }

  Progress run(List<? extends Consumer<? super T>> receivers) {
    try {
      transactions.execute(options, tx -> keepSnapshot(tx, receivers));
    } catch (RuntimeException e) {
      failure.compareAndSet(null, e);
    }
    Throwable failed = failure.get();
    if (failed != null) {
      throw new PgBelayException(
          "snapshot export of query '%s' failed after %d rows; it cannot be resumed, start again"
              .formatted(query.name(), rows),
          failed);
    }
    Progress end = new Progress(rows, Optional.empty(), true);
    onProgress.accept(end);
    return end;
  }

  private void keepSnapshot(Tx tx, List<? extends Consumer<? super T>> receivers) {
    String snapshot = tx.dsl().fetchSingle(SnapshotSql.EXPORT_SNAPSHOT).into(String.class);
    BlockingQueue<Stretch> stretches =
        new ArrayBlockingQueue<>(receivers.size() * WAITING_PER_READER);
    List<Thread> readers = new ArrayList<>();
    for (int i = 0; i < receivers.size(); i++) {
      Consumer<? super T> receiver = receivers.get(i);
      Thread reader =
          new Thread(
              () -> read(snapshot, stretches, receiver),
              "pgbelay-keyset-export-" + query.name() + "-" + i);
      reader.start();
      readers.add(reader);
    }
    try {
      divide(tx, stretches);
      for (int i = 0; i < receivers.size(); i++) {
        put(stretches, END);
      }
    } catch (RuntimeException e) {
      failure.compareAndSet(null, e);
    } finally {
      joinAll(readers);
    }
  }

  /** Walks the keys in steps of one stretch and offers each stretch as soon as it is known. */
  private void divide(Tx tx, BlockingQueue<Stretch> stretches) {
    PreparedQuery<T> prepared = query.under(tx.dsl()).prepared();
    prepared.meet(tx.dsl());
    long stretchRows = (long) chunkRows * CHUNKS_PER_STRETCH;
    Boundary start = Boundary.NONE;
    while (failure.get() == null) {
      Boundary next =
          prepared
              .reader()
              .readStep(
                  tx.dsl(),
                  prepared.stepStatement(PageShape.after(start)),
                  new Limits(Math.toIntExact(stretchRows), 0, stretchRows - 1),
                  start,
                  query.filters());
      put(stretches, new Stretch(start, stretchRows));
      if (next == null) {
        return;
      }
      start = next;
    }
  }

  private void put(BlockingQueue<Stretch> stretches, Stretch stretch) {
    try {
      boolean taken = false;
      while (!taken && failure.get() == null) {
        taken = stretches.offer(stretch, 100, TimeUnit.MILLISECONDS);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new PgBelayException(
          "snapshot export of query '%s' was interrupted".formatted(query.name()), e);
    }
  }

  private void read(
      String snapshot, BlockingQueue<Stretch> stretches, Consumer<? super T> receiver) {
    try {
      transactions.execute(
          options,
          tx -> {
            tx.dsl().execute(SnapshotSql.importSnapshot(snapshot));
            while (failure.get() == null) {
              Stretch stretch = stretches.poll(100, TimeUnit.MILLISECONDS);
              if (stretch != null && stretch.rows() == 0) {
                return;
              } else if (stretch != null) {
                readStretch(tx, stretch, receiver);
              }
            }
          });
    } catch (Exception | Error e) {
      failure.compareAndSet(null, e);
    }
  }

  private void readStretch(Tx tx, Stretch stretch, Consumer<? super T> receiver) {
    PreparedQuery<T> prepared = query.under(tx.dsl()).prepared();
    Boundary position = stretch.start();
    long left = stretch.rows();
    while (left > 0 && failure.get() == null) {
      Limits limits = new Limits((int) Math.min(chunkRows, left), 0, 0);
      Chunk<T> chunk =
          prepared
              .reader()
              .readChunk(
                  tx.dsl(),
                  prepared.pageStatement(PageShape.after(position)),
                  limits,
                  position,
                  query.filters());
      chunk.items().forEach(receiver);
      count(chunk.items().size());
      left -= chunk.items().size();
      if (chunk.last() == null) {
        return;
      }
      position = chunk.last();
    }
  }

  private void count(int more) {
    synchronized (progressLock) {
      rows += more;
      onProgress.accept(new Progress(rows, Optional.empty(), false));
    }
  }

  private void joinAll(List<Thread> readers) {
    for (Thread reader : readers) {
      boolean interrupted = false;
      while (reader.isAlive()) {
        try {
          reader.join();
        } catch (InterruptedException e) {
          interrupted = true;
          failure.compareAndSet(null, e);
        }
      }
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }
}

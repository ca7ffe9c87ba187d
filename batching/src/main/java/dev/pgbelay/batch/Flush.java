package dev.pgbelay.batch;

import dev.pgbelay.batch.BatchResult.Outcome;
import dev.pgbelay.batch.BatchResult.Rejection;
import dev.pgbelay.core.OutcomeUnknownException;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.TransactionException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.TxOptions;
import java.sql.SQLException;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.BooleanSupplier;
import org.jooq.exception.DataAccessException;
import org.jspecify.annotations.Nullable;

/**
 * Writes rows together and completes their futures. Where the rows together cannot be written, and
 * one of them may be the reason, they are written in smaller parts, a transaction each.
 */
final class Flush<R> {
  /** A row that waits to be written, and when it began to. */
  record Entry<R>(R row, long bytes, CompletableFuture<Outcome> future, long submitted) {}

  /** Bad rows up to which it is quicker to search for them than to write each row by itself. */
  static final int MOST_REFUSED = 20;

  private final Transactions transactions;
  private final TxOptions options;
  private final BatchWriter<R> writer;
  private final WritePlan.Operation operation;
  private final String name;
  private final CoalescerEvents events;
  private final BooleanSupplier givenUp;

  /**
   * @param writer a partial one, that gives up at {@link #MOST_REFUSED}
   * @param name of the coalescer, for messages
   * @param givenUp from when on nothing more is to be begun
   */
  Flush(
      Transactions transactions,
      TxOptions options,
      BatchWriter<R> writer,
      WritePlan.Operation operation,
      String name,
      CoalescerEvents events,
      BooleanSupplier givenUp) {
    this.transactions = transactions;
    this.options = options;
    this.writer = writer;
    this.operation = operation;
    this.name = name;
    this.events = events;
    this.givenUp = givenUp;
  }

  /** Whether no row was left unwritten because the coalescer was given up. */
  boolean write(List<Entry<R>> batch) {
    List<R> rows = batch.stream().map(Entry::row).toList();
    BatchResult result;
    @Nullable RuntimeException[] thrown = new RuntimeException[1];
    try {
      result =
          transactions.run(
              options,
              tx -> {
                try {
                  return write(tx, rows);
                } catch (RuntimeException e) {
                  thrown[0] = e;
                  throw e;
                }
              });
    } catch (Throwable t) {
      return writeApart(batch, t, t == thrown[0]);
    }
    answer(batch, result);
    return true;
  }

  private BatchResult write(Tx tx, List<R> rows) {
    return switch (operation) {
      case INSERT -> writer.insert(tx, rows);
      case UPSERT -> writer.upsert(tx, rows);
      case UPDATE -> writer.update(tx, rows);
      case DELETE -> writer.delete(tx, rows);
    };
  }

  private void answer(List<Entry<R>> batch, BatchResult result) {
    // In the order of their rows.
    Iterator<Rejection> rejections = result.rejections().iterator();
    @Nullable Rejection rejection = rejections.hasNext() ? rejections.next() : null;
    for (int i = 0; i < batch.size(); i++) {
      Entry<R> entry = batch.get(i);
      if (rejection == null || rejection.row() != i) {
        entry.future().complete(result.outcome(i));
      } else {
        entry.future().completeExceptionally(BatchException.rejectedAlone(name, rejection));
        rejection = rejections.hasNext() ? rejections.next() : null;
      }
      events.waited(System.nanoTime() - entry.submitted());
    }
  }

  /**
   * Nothing of these was written, and without the rows that it was about the others may be.
   *
   * @param whileWriting whether it was thrown before COMMIT: of what is thrown behind it nothing is
   *     known, and to write again would be to write twice
   */
  private boolean writeApart(List<Entry<R>> batch, Throwable failure, boolean whileWriting) {
    SQLException refusal = refusalAtCommit(failure);
    boolean hasMany = isOfManyRows(failure);
    if (!hasMany && refusal == null && !(whileWriting && isOfTheRowsOwnCode(failure))) {
      fail(batch, failure);
      return true;
    }
    if (batch.size() == 1) {
      fail(
          batch,
          refusal == null
              ? failure
              : BatchException.rejectedAlone(name, RowFailure.of(0, refusal)));
      return true;
    }
    int part = hasMany ? 1 : (batch.size() + 1) / 2;
    boolean all = true;
    for (int from = 0; from < batch.size(); from += part) {
      all &= writeUnlessGivenUp(batch.subList(from, Math.min(batch.size(), from + part)));
    }
    return all;
  }

  private boolean writeUnlessGivenUp(List<Entry<R>> part) {
    if (givenUp.getAsBoolean()) {
      fail(part, BatchException.closed("coalescer " + name + " was closed before it was written"));
      return false;
    }
    return write(part);
  }

  private static boolean isOfManyRows(Throwable failure) {
    return failure instanceof BatchException refused
        && refused.reason() == BatchException.Reason.TOO_MANY_REJECTED;
  }

  private static boolean isOfTheRowsOwnCode(Throwable failure) {
    return failure instanceof RuntimeException
        && !(failure instanceof PgBelayException)
        && !(failure instanceof DataAccessException);
  }

  /** What a deferred constraint said, which names no row; null if it was something else. */
  private static @Nullable SQLException refusalAtCommit(Throwable failure) {
    return failure instanceof TransactionException
            && !(failure instanceof OutcomeUnknownException)
            && failure.getCause() instanceof SQLException cause
            && RowFailure.is(cause, false)
        ? cause
        : null;
  }

  static <R> void fail(List<Entry<R>> batch, Throwable failure) {
    batch.forEach(entry -> entry.future().completeExceptionally(failure));
  }
}

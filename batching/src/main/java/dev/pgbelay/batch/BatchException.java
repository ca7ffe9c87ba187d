package dev.pgbelay.batch;

import dev.pgbelay.core.PgBelayException;
import java.io.Serial;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * A batch that was not written: because the writer, the table and the rows do not fit together, or
 * because a row was refused and the batch is atomic. Nothing of the call has been written, and the
 * transaction stays usable: the call has been rolled back to where it began.
 *
 * <p>{@link #rejection()} names the first row that was refused and why; it is empty where no row is
 * to blame. The message never holds values of the row.
 */
public final class BatchException extends PgBelayException {
  @Serial private static final long serialVersionUID = 1L;

  /** What is in the way of the batch. */
  public enum Reason {
    /** Writer, table, connection and rows do not fit together. */
    CONTRACT,
    /** A row was refused, which {@link #rejection()} names. */
    ROW_REFUSED,
    /**
     * More rows were refused than the writer's {@code rejectLimit}; the rejection is one of them.
     */
    TOO_MANY_REJECTED,
    /** The queue of a {@link WriteCoalescer} stayed full; the row may be submitted again later. */
    QUEUE_FULL,
    /** The {@link WriteCoalescer} is closed, or was closed before the row was written. */
    CLOSED
  }

  private final Reason reason;
  private final transient BatchResult.@Nullable Rejection rejection;

  private BatchException(
      Reason reason,
      String message,
      @Nullable Throwable cause,
      BatchResult.@Nullable Rejection rejection) {
    super(message, cause);
    this.reason = reason;
    this.rejection = rejection;
  }

  static BatchException contract(String message) {
    return new BatchException(Reason.CONTRACT, message, null, null);
  }

  static BatchException full(String message) {
    return new BatchException(Reason.QUEUE_FULL, message, null, null);
  }

  static BatchException closed(String message) {
    return new BatchException(Reason.CLOSED, message, null, null);
  }

  static BatchException rejected(
      String operation, BatchResult.Rejection rejection, @Nullable Throwable cause) {
    String constraint = rejection.constraint().map(name -> ", constraint " + name).orElse("");
    return new BatchException(
        Reason.ROW_REFUSED,
        operation
            + ": row "
            + rejection.row()
            + " was refused with SQLSTATE "
            + rejection.sqlState()
            + constraint
            + rejection.column().map(name -> ", column " + name).orElse("")
            + "; nothing of the batch was written. Mend the row, or write what is good with"
            + " partial()",
        cause,
        rejection);
  }

  static BatchException tooManyRejected(
      String operation, int limit, BatchResult.Rejection rejection, @Nullable Throwable cause) {
    return new BatchException(
        Reason.TOO_MANY_REJECTED,
        operation
            + ": more than "
            + limit
            + " rows were refused, among them row "
            + rejection.row()
            + " with SQLSTATE "
            + rejection.sqlState()
            + rejection.constraint().map(name -> ", constraint " + name).orElse("")
            + "; nothing of the batch was written. Mend what they have in common, write fewer rows a"
            + " call, or allow more with rejectLimit(…)",
        cause,
        rejection);
  }

  static BatchException rejectedAlone(String name, BatchResult.Rejection rejection) {
    return new BatchException(
        Reason.ROW_REFUSED,
        "the row was refused by "
            + name
            + " with SQLSTATE "
            + rejection.sqlState()
            + rejection.constraint().map(constraint -> ", constraint " + constraint).orElse("")
            + rejection.column().map(column -> ", column " + column).orElse(""),
        null,
        rejection);
  }

  /** What callers branch on. */
  public Reason reason() {
    return reason;
  }

  /** The first row that was refused; of too many, one of them. */
  public Optional<BatchResult.Rejection> rejection() {
    return Optional.ofNullable(rejection);
  }
}

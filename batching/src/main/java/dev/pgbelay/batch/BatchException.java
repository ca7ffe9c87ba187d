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

  private final transient BatchResult.@Nullable Rejection rejection;

  private BatchException(
      String message, @Nullable Throwable cause, BatchResult.@Nullable Rejection rejection) {
    super(message, cause);
    this.rejection = rejection;
  }

  static BatchException contract(String message) {
    return new BatchException(message, null, null);
  }

  static BatchException rejected(
      String operation, BatchResult.Rejection rejection, @Nullable Throwable cause) {
    String constraint = rejection.constraint().map(name -> ", constraint " + name).orElse("");
    return new BatchException(
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

  static BatchException rejectedAlone(String name, BatchResult.Rejection rejection) {
    return new BatchException(
        "the row was refused by "
            + name
            + " with SQLSTATE "
            + rejection.sqlState()
            + rejection.constraint().map(constraint -> ", constraint " + constraint).orElse("")
            + rejection.column().map(column -> ", column " + column).orElse(""),
        null,
        rejection);
  }

  /** The first row that was refused. */
  public Optional<BatchResult.Rejection> rejection() {
    return Optional.ofNullable(rejection);
  }
}

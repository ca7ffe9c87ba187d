package dev.pgbelay.core;

import org.jspecify.annotations.Nullable;

/**
 * The work returned normally, yet nothing was committed: a statement had failed, its exception was
 * swallowed, and PostgreSQL answers COMMIT of such a transaction with a silent ROLLBACK; or a run
 * nested with {@link TxOptions.Nesting#JOIN} had thrown, and its exception was swallowed. The
 * remedy is to let the first exception out, or to put a savepoint around what may fail.
 */
public final class TransactionAbortedException extends TransactionException {
  private static final long serialVersionUID = 1L;

  TransactionAbortedException(String message, @Nullable Throwable cause) {
    super(FailureKind.TRANSACTION_ABORTED, message, cause);
  }
}

package dev.pgbelay.core;

import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * COMMIT was sent and its answer did not come, or cannot be trusted: the transaction may or may not
 * have been committed. It is never retried. Look the effect up by a key of your own, or run such
 * transactions with {@link TxOptions.Builder#resolveOutcome}.
 */
public final class OutcomeUnknownException extends TransactionException {
  private static final long serialVersionUID = 1L;

  private final @Nullable String transactionId;

  OutcomeUnknownException(
      String message, @Nullable String transactionId, @Nullable Throwable cause) {
    super(FailureKind.OUTCOME_UNKNOWN, message, cause);
    this.transactionId = transactionId;
  }

  /**
   * The transaction's {@code xid8}, where it was known before COMMIT was sent. It means something
   * only on the same timeline of the same cluster: after a fail-over the number may be somebody
   * else's.
   */
  public Optional<String> transactionId() {
    return Optional.ofNullable(transactionId);
  }
}

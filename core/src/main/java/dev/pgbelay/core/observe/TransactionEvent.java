package dev.pgbelay.core.observe;

import org.jspecify.annotations.Nullable;

/**
 * The end of a transaction as the client asked for it, by {@code Connection.commit()} or as SQL
 * text.
 *
 * <p>Immutable and safe for several threads.
 *
 * @param session the same as in the {@link StatementEvent}s of the transaction
 * @param outcome how it ended
 * @param failure what the call failed with, or null
 * @param callSite where in the program the end was asked for
 */
public record TransactionEvent(
    long session, Outcome outcome, @Nullable Throwable failure, CallSite callSite) {
  /** How a transaction ended. */
  public enum Outcome {
    /**
     * COMMIT was sent and answered without an error; a failed transaction is rolled back by that.
     */
    COMMITTED,
    /** ROLLBACK was sent and answered. */
    ROLLED_BACK,
    /** The session was given back or closed with the transaction open. */
    ABANDONED,
    /** The call that asked for the end failed: whether it committed is not known from here. */
    UNKNOWN
  }
}

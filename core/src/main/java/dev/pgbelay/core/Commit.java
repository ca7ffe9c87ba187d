package dev.pgbelay.core;

import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * A transaction that is known to have ended in COMMIT.
 *
 * <p>Immutable, as far as the value is, and then safe for several threads.
 *
 * @param value what the work returned
 * @param effect whether the transaction changed anything, by fact: it was given a transaction id
 * @param position a place in the log at or behind this commit; on a replica, how far the replica
 *     had replayed when the transaction ended. Empty where nothing was sent, where the server would
 *     not tell (missing grants, a service that hides its log) and for transactions that somebody
 *     else committed
 * @param attempts how often the work ran, at least 1
 * @param <T> the result of the work
 */
public record Commit<T extends @Nullable Object>(
    T value, Effect effect, Optional<CommitPosition> position, int attempts) {

  /** What a committed transaction did to the database. */
  public enum Effect {
    /**
     * It was given a transaction id: rows, locks on rows or definitions were written. With {@link
     * TxOptions.Builder#resolveOutcome} every transaction is given one at its start, so that this
     * says nothing about writing there.
     */
    WROTE,
    /** It was given no transaction id: nothing that a replica could show has changed. */
    READ_ONLY,
    /** Somebody else ended it, it ended inside the work, or was one statement: not known. */
    UNKNOWN
  }
}

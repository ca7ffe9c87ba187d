package dev.pgbelay.outbox;

import java.util.OptionalInt;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * A relay of this process that wants to know at once of what was appended here. See {@link
 * Outbox#attach}.
 */
interface CommitListener {
  /**
   * Called after the commit, on the thread that committed: must return at once. What is told may
   * not be there: a transaction that somebody else opened, or that went back to a savepoint by SQL
   * text, is not seen to take it back. So look before you deliver; what is known to be there is
   * handed over by {@link #promise}.
   *
   * @param destinations where something was appended, by their numbers
   */
  void committed(Set<Integer> destinations);

  /**
   * Called after the commit, on the thread that committed: there may be something to deliver or to
   * try again for a destination, or not.
   */
  default void woken(String destination) {}

  /** A lane where a message without key is delivered by this very relay, if it has one. */
  default OptionalInt ownedLane() {
    return OptionalInt.empty();
  }

  /**
   * Asked before the commit of a message without key.
   *
   * @return null if another relay delivers that lane of that destination, or the row is in another
   *     database than this relay's
   */
  default @Nullable HandOver promise(WrittenRow row, int lane) {
    return null;
  }
}

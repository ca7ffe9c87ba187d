package dev.pgbelay.core.observe;

/**
 * A savepoint that was set, released or rolled back to through {@link java.sql.Connection}. One
 * that is SQL text is a {@link StatementEvent} like any other.
 *
 * @param session the same as in the {@link StatementEvent}s of the transaction
 * @param action what was done
 * @param name tells the savepoints of one transaction apart; the server's own name for it
 */
public record SavepointEvent(long session, Action action, String name) {
  /** What was done with a savepoint. */
  public enum Action {
    SET,
    RELEASED,
    ROLLED_BACK_TO
  }
}

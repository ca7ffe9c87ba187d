package dev.pgbelay.core.internal;

import java.sql.SQLException;
import org.postgresql.PGConnection;

/** What the failure of a COMMIT that travelled with other statements says of the transaction. */
public final class CommitFailure {
  private CommitFailure() {}

  /**
   * The error may belong to the statement before COMMIT, to COMMIT, or to the one behind it. A
   * transaction still open or failed was not committed. Otherwise only what COMMIT alone can answer
   * proves a rollback: conflicts and deferred checks. A cancel may have hit the statement behind a
   * COMMIT that succeeded, and a dying session may die after its COMMIT. A connection that was
   * found closed (08003), or ended for idling (25P03), had never read it.
   */
  public static boolean isRollbackCertain(SQLException e, PGConnection driver) {
    if (PgDriver.state(driver) == PgDriver.State.FAILED && !isSessionLost(e)) {
      return true;
    }
    String state = e.getSQLState();
    return state != null
        && (state.startsWith("23")
            || state.startsWith("22")
            || state.startsWith("P0")
            || state.equals("25P02")
            || state.equals("25P03")
            || state.equals("08003")
            || state.equals("40001")
            || state.equals("40P01"));
  }

  /** Whether the server's process is gone, or may be. */
  public static boolean isSessionLost(SQLException e) {
    String state = e.getSQLState();
    return state == null
        || state.startsWith("08")
        || state.startsWith("57P")
        || (state.startsWith("25P0") && !state.equals("25P02"));
  }
}

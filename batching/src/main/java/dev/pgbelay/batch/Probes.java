package dev.pgbelay.batch;

import java.sql.SQLException;
import org.jspecify.annotations.Nullable;

/** Tries statements under a savepoint, and counts them. */
final class Probes {
  /** What is tried. */
  interface Attempt {
    void run() throws SQLException;
  }

  private static final String SAVEPOINT = "pgbelay_probe";

  private final BatchConnection connection;
  private final boolean rowSecurity;
  private long count;

  Probes(BatchConnection connection, boolean rowSecurity) {
    this.connection = connection;
    this.rowSecurity = rowSecurity;
  }

  long count() {
    return count;
  }

  /** Rolled back in any case; what made it fail, or null. */
  @Nullable SQLException attempt(Attempt attempt) throws SQLException {
    return attempt(attempt, false);
  }

  /** Stays written until what is around it is rolled back, unless it fails. */
  @Nullable SQLException keep(Attempt attempt) throws SQLException {
    return attempt(attempt, true);
  }

  private @Nullable SQLException attempt(Attempt attempt, boolean keep) throws SQLException {
    count++;
    connection.savepoint(SAVEPOINT);
    connection.flush();
    try {
      attempt.run();
    } catch (SQLException e) {
      connection.rollback();
      if (!RowFailure.is(e, rowSecurity)) {
        throw e;
      }
      return e;
    }
    if (keep) {
      connection.release();
    } else {
      connection.rollback();
    }
    return null;
  }
}

package dev.pgbelay.core.schema;

import dev.pgbelay.core.internal.PgDriver;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Timeouts for one statement that cannot run in a transaction, and so cannot have SET LOCAL. They
 * are set for the session, put back as they were afterwards, and the connection is destroyed if
 * that fails. Behind a pooler, where the session is not ours, nothing is set at all.
 */
final class SessionTimeouts {
  private static final Logger LOG = LoggerFactory.getLogger(SessionTimeouts.class);

  private final Connection connection;
  private final String lockTimeout;
  private final String statementTimeout;
  private final boolean ownSession;

  private SessionTimeouts(
      Connection connection, String lockTimeout, String statementTimeout, boolean ownSession) {
    this.connection = connection;
    this.lockTimeout = lockTimeout;
    this.statementTimeout = statementTimeout;
    this.ownSession = ownSession;
  }

  /** Sets lock_timeout and lifts statement_timeout, where the session is ours. */
  static SessionTimeouts set(Connection connection, Duration lockTimeout) throws SQLException {
    SessionTimeouts previous = read(connection);
    if (previous.ownSession) {
      try {
        set(connection, lockTimeout.toMillis() + "ms", "0");
      } catch (SQLException e) {
        // It may have been set although the answer was lost.
        previous.restore();
        throw e;
      }
    }
    return previous;
  }

  private static SessionTimeouts read(Connection connection) throws SQLException {
    try (Statement statement = connection.createStatement();
        ResultSet row = statement.executeQuery(DdlSql.READ_SESSION_TIMEOUTS)) {
      row.next();
      // A pooler between us and the server hands out a process id of its own making.
      boolean own = PgDriver.unwrap(connection).getBackendPID() == row.getInt(3);
      return new SessionTimeouts(connection, row.getString(1), row.getString(2), own);
    }
  }

  void restore() {
    if (!ownSession) {
      return;
    }
    try {
      set(connection, lockTimeout, statementTimeout);
    } catch (SQLException e) {
      LOG.warn("Timeouts of a session could not be put back; its connection is destroyed", e);
      destroy();
    }
  }

  private void destroy() {
    try {
      connection.abort(Runnable::run);
      // A pool learns that a connection is dead from a statement that fails with a connection
      // error.
      connection.createStatement().close();
    } catch (SQLException expected) {
      LOG.debug("The connection is closed", expected);
    }
  }

  private static void set(Connection connection, String lockTimeout, String statementTimeout)
      throws SQLException {
    try (PreparedStatement set = connection.prepareStatement(DdlSql.SET_SESSION_TIMEOUTS)) {
      set.setString(1, lockTimeout);
      set.setString(2, statementTimeout);
      set.execute();
    }
  }
}

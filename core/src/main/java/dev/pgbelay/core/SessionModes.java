package dev.pgbelay.core;

import java.sql.Connection;
import java.sql.SQLException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The modes a connection arrived in, so that it leaves in them. None of them needs a round trip.
 */
record SessionModes(boolean wasAutoCommit, boolean becameReadOnly) {
  private static final Logger LOG = LoggerFactory.getLogger(Transactions.class);

  static final SessionModes UNTOUCHED = new SessionModes(false, false);

  static SessionModes enter(Connection connection, boolean readOnly) throws SQLException {
    boolean autoCommit = connection.getAutoCommit();
    if (autoCommit) {
      connection.setAutoCommit(false);
    }
    boolean change = readOnly && !connection.isReadOnly();
    if (change) {
      connection.setReadOnly(true);
    }
    return new SessionModes(autoCommit, change);
  }

  /** For a connection that never got as far as running the work. */
  void abandon(Connection connection, Throwable failure) {
    try {
      if (!connection.getAutoCommit()) {
        connection.rollback();
      }
    } catch (SQLException e) {
      Suppressed.keep(failure, e);
    }
    giveBack(connection, failure);
  }

  void giveBack(Connection connection, @Nullable Throwable failure) {
    try (connection) {
      if (!connection.isClosed()) {
        if (becameReadOnly) {
          connection.setReadOnly(false);
        }
        if (wasAutoCommit) {
          connection.setAutoCommit(true);
        }
      }
    } catch (SQLException e) {
      if (failure == null) {
        LOG.warn("a connection could not be given back cleanly", e);
      } else {
        Suppressed.keep(failure, e);
      }
    }
  }
}

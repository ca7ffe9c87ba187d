package dev.pgbelay.core.wakeup;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.util.List;

/** The statements of wake-ups, each a transaction of its own. */
final class WakeUpSql {
  /**
   * Without waiting for the disk, nor for a standby: a notification takes a transaction id, whose
   * commit nobody needs after a crash.
   */
  private static final String SEND =
      """
      SELECT set_config('synchronous_commit', 'off', true), pg_notify(?, given.topic)
        FROM unnest(CAST(? AS text[])) AS given(topic)\
      """;

  /** The channel is one of ours: letters, digits, underscores. */
  private static final String LISTEN = "LISTEN \"<channel>\"";

  private static final String UNLISTEN = "UNLISTEN *";

  private WakeUpSql() {}

  static void send(Connection connection, String channel, List<String> topics) throws SQLException {
    autocommit(connection);
    try (PreparedStatement select = connection.prepareStatement(SEND)) {
      select.setQueryTimeout(5);
      select.setString(1, channel);
      select.setArray(2, connection.createArrayOf("text", topics.toArray()));
      select.execute();
    }
  }

  static void listen(Connection connection, String channel) throws SQLException {
    autocommit(connection);
    execute(connection, LISTEN.replace("<channel>", channel));
  }

  static void unlisten(Connection connection) throws SQLException {
    execute(connection, UNLISTEN);
  }

  private static void execute(Connection connection, String sql) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      statement.execute();
    }
  }

  private static void autocommit(Connection connection) throws SQLException {
    if (!connection.getAutoCommit()) {
      connection.setAutoCommit(true);
    }
  }
}

package dev.pgbelay.jobqueue;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.HashSet;
import java.util.Set;

/** Reads what was said of queues and kinds. */
class LimitSql {
  private static final String READ =
      """
      SELECT c.scope, c.name, c.paused_at IS NOT NULL,
             c.max_running IS NOT NULL OR c.rate_count IS NOT NULL
        FROM <control> AS c
       WHERE c.paused_at IS NOT NULL OR c.max_running IS NOT NULL OR c.rate_count IS NOT NULL\
      """;

  /**
   * What limits a claim.
   *
   * @param scope queue or kind
   */
  record Limit(String scope, String name) {
    static Limit ofQueue(String name) {
      return new Limit("queue", name);
    }

    static Limit ofKind(String name) {
      return new Limit("kind", name);
    }
  }

  private final String read;

  LimitSql(String schema) {
    TablesSql tables = new TablesSql(schema);
    this.read = tables.fill(READ);
  }

  /** What holds now. */
  Board read(Connection connection) throws SQLException {
    Set<Limit> paused = new HashSet<>();
    Set<Limit> limited = new HashSet<>();
    try (PreparedStatement select = connection.prepareStatement(read);
        ResultSet row = select.executeQuery()) {
      while (row.next()) {
        Limit limit = new Limit(row.getString(1), row.getString(2));
        if (row.getBoolean(3)) {
          paused.add(limit);
        }
        if (row.getBoolean(4)) {
          limited.add(limit);
        }
      }
    }
    return new Board(paused, limited);
  }
}

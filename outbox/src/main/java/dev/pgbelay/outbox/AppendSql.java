package dev.pgbelay.outbox;

import dev.pgbelay.core.internal.StoredHeaders;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Types;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.OptionalLong;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The statements that append one message, a row for each destination of its topic. The ids are
 * drawn where the joined rows are written, so after everything that the join waited for.
 */
class AppendSql {
  /** Binds lane, message id, key, type, headers, payload, topic. */
  private static final String APPEND =
      """
      INSERT INTO <message> (destination, lane, message_id, topic, key, type, headers, payload)
      SELECT r.destination, CAST(? AS smallint), CAST(? AS text), r.topic, CAST(? AS text),
             CAST(? AS text), CAST(? AS text[]), CAST(? AS bytea)
        FROM <route> AS r<locked>
       WHERE r.topic = ?<may>\
      """;

  private static final String RETURNING = "\nRETURNING destination";

  /** What {@link WrittenRow} has, beside the destination. */
  private static final String TOLD =
      """
      , id, CAST(ctid AS text), CAST(extract(epoch FROM appended_at) * 1000000 AS bigint),
             CASE WHEN xmin = CAST(pg_catalog.pg_current_xact_id() AS xid)
                  THEN CAST(pg_catalog.pg_current_xact_id() AS text) END,
             current_database()\
      """;

  /** Binds locks, whether they are held, and what {@link #APPEND} binds. */
  private static final String APPEND_STRICTLY =
      "WITH "
          + StrictSql.ASKED
          + StrictSql.LOCKED.replace("<may>", "asked.allowed")
          + """
            , added AS (
            """
          + APPEND
              .replace("<locked>", " CROSS JOIN locked")
              .replace("<may>", " AND (SELECT asked.allowed FROM asked)")
          + RETURNING
          + """
            )
            SELECT added.destination, CASE WHEN NOT asked.allowed THEN asked.highest END
              FROM asked LEFT JOIN added ON true\
            """;

  private final String appendUntold;
  private final String append;
  private final String appendTold;
  private final String appendStrictly;

  AppendSql(String schema) {
    TablesSql tables = new TablesSql(schema);
    this.appendUntold = tables.fill(APPEND.replace("<locked>", "").replace("<may>", ""));
    this.append = appendUntold + RETURNING;
    this.appendTold = append + TOLD;
    this.appendStrictly = tables.fill(APPEND_STRICTLY);
  }

  /**
   * What came of an append.
   *
   * @param destinations their ids; none if the topic has none
   * @param highest the number of a lock that the transaction holds and that is higher than the one
   *     it asked for, if that is why nothing was appended
   */
  record Added(Set<Integer> destinations, OptionalLong highest) {}

  /**
   * Appends one message, telling for how many destinations alone: an answer without rows is the
   * cheapest.
   *
   * @param messageId that nobody has used
   */
  int appendUntold(Connection connection, NewMessage message, String messageId, int lane)
      throws SQLException {
    try (PreparedStatement insert = connection.prepareStatement(appendUntold)) {
      bind(insert, 1, message, messageId, lane);
      return insert.executeUpdate();
    }
  }

  /** The same, telling for which; none if the topic has none. */
  Set<Integer> append(Connection connection, NewMessage message, String messageId, int lane)
      throws SQLException {
    try (PreparedStatement insert = connection.prepareStatement(append)) {
      bind(insert, 1, message, messageId, lane);
      Set<Integer> destinations = new LinkedHashSet<>();
      try (ResultSet row = insert.executeQuery()) {
        while (row.next()) {
          destinations.add(row.getInt(1));
        }
      }
      return destinations;
    }
  }

  /** The same, telling all that a relay needs to deliver it. */
  List<WrittenRow> appendTold(Connection connection, NewMessage message, String messageId, int lane)
      throws SQLException {
    try (PreparedStatement insert = connection.prepareStatement(appendTold)) {
      bind(insert, 1, message, messageId, lane);
      List<WrittenRow> rows = new ArrayList<>();
      try (ResultSet row = insert.executeQuery()) {
        while (row.next()) {
          rows.add(
              new WrittenRow(
                  row.getInt(1),
                  row.getLong(2),
                  row.getString(3),
                  row.getLong(4),
                  row.getString(5),
                  row.getString(6)));
        }
      }
      return rows;
    }
  }

  /**
   * The same once the transaction has the lock.
   *
   * @param held whether it is known to have it, so that it cannot wait for it
   */
  Added appendStrictly(
      Connection connection,
      NewMessage message,
      String messageId,
      int lane,
      long lock,
      boolean held)
      throws SQLException {
    try (PreparedStatement insert = connection.prepareStatement(appendStrictly)) {
      int next = StrictSql.bind(connection, insert, 1, Set.of(lock), held);
      bind(insert, next, message, messageId, lane);
      Set<Integer> destinations = new LinkedHashSet<>();
      OptionalLong highest = OptionalLong.empty();
      try (ResultSet row = insert.executeQuery()) {
        while (row.next()) {
          int destination = row.getInt(1);
          if (!row.wasNull()) {
            destinations.add(destination);
          }
          long refusedBy = row.getLong(2);
          if (!row.wasNull()) {
            highest = OptionalLong.of(refusedBy);
          }
        }
      }
      return new Added(destinations, highest);
    }
  }

  private static void bind(
      PreparedStatement insert, int first, NewMessage message, String messageId, int lane)
      throws SQLException {
    int next = first;
    insert.setInt(next++, lane);
    insert.setString(next++, messageId);
    bindText(insert, next++, message.key().orElse(null));
    bindText(insert, next++, message.type().orElse(null));
    bindText(insert, next++, StoredHeaders.write(message.headers()));
    insert.setBytes(next++, message.payload());
    insert.setString(next, message.topic());
  }

  private static void bindText(PreparedStatement insert, int column, @Nullable String text)
      throws SQLException {
    if (text == null) {
      insert.setNull(column, Types.VARCHAR);
    } else {
      insert.setString(column, text);
    }
  }
}

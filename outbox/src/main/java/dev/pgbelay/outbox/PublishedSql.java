package dev.pgbelay.outbox;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.HashMap;
import java.util.Map;

/** What keeps messages that were delivered, and says for how long. */
final class PublishedSql {
  private static final String GONE =
      """
      <from>.id, <from>.appended_at, <from>.destination, <from>.lane, <from>.replay,
                  <from>.message_id, <from>.topic, <from>.key, <from>.type, <from>.headers,
                  <from>.payload\
      """;

  /** A part of a statement, behind one that deletes the messages as {@code gone}. */
  static final String KEEP =
      """
      ,
      kept AS (
        INSERT INTO <published> (id, appended_at, published_at, published_day, destination, lane,
                                 replay, message_id, topic, key, type, headers, payload)
        SELECT gone.id, gone.appended_at, now.at,
               CAST(floor(extract(epoch FROM now.at) / 86400) AS integer), gone.destination,
               gone.lane, gone.replay, gone.message_id, gone.topic, gone.key, gone.type,
               gone.headers, gone.payload
          FROM gone CROSS JOIN (SELECT clock_timestamp() AS at) AS now)\
      """;

  private static final String LIST_RETENTIONS =
      "SELECT id, coalesce(retention_days, 0) FROM <destination>";

  private static final String SET_RETENTION =
      "UPDATE <destination> SET retention_days = nullif(CAST(? AS smallint), 0) WHERE id = ?";

  private final String listRetentions;
  private final String setRetention;

  PublishedSql(String schema) {
    TablesSql tables = new TablesSql(schema);
    this.listRetentions = tables.fill(LIST_RETENTIONS);
    this.setRetention = tables.fill(SET_RETENTION);
  }

  /** What the part {@code gone} returns for {@link #KEEP}, of a table that goes by that name. */
  static String gone(String from) {
    return GONE.replace("<from>", from);
  }

  /** Days by destination; 0 where nothing is kept. */
  Map<Short, Integer> retentions(Connection connection) throws SQLException {
    Map<Short, Integer> days = new HashMap<>();
    try (PreparedStatement select = connection.prepareStatement(listRetentions);
        ResultSet row = select.executeQuery()) {
      while (row.next()) {
        days.put(row.getShort(1), row.getInt(2));
      }
    }
    return days;
  }

  void setRetention(Connection connection, short destination, int days) throws SQLException {
    try (PreparedStatement update = connection.prepareStatement(setRetention)) {
      update.setInt(1, days);
      update.setShort(2, destination);
      update.executeUpdate();
    }
  }
}

package dev.pgbelay.outbox.inbox;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** The statements that empty the slots of days that nobody can ask for any more. */
final class InboxRetentionSql {
  /**
   * Slots that hold something, and no day that is to be kept. Binds days ahead, oldest kept,
   * youngest kept, the parent's name.
   */
  private static final String FIND_EXPIRED =
      """
      WITH today AS MATERIALIZED (
        SELECT CAST(floor(extract(epoch FROM clock_timestamp()) / 86400) AS integer)
               + CAST(? AS integer) AS day),
      kept AS MATERIALIZED (
        SELECT d.day % 32 AS slot
          FROM today,
               generate_series(today.day - CAST(? AS integer),
                               today.day + CAST(? AS integer)) AS d(day)),
      slots AS MATERIALIZED (
        SELECT CAST(right(c.relname, 2) AS integer) AS slot, c.oid
          FROM pg_catalog.pg_inherits AS i JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid
         WHERE i.inhparent = CAST(? AS regclass))
      SELECT slots.slot
        FROM slots
       WHERE slots.slot NOT IN (SELECT kept.slot FROM kept)
         AND pg_catalog.pg_relation_size(slots.oid) > 0
       ORDER BY slots.slot\
      """;

  private static final String LOCK_SLOT = "LOCK TABLE <slot> IN ACCESS EXCLUSIVE MODE";

  private static final String EMPTY_SLOT = "TRUNCATE <slot>";

  private final String schema;
  private final MarkDays days;
  private final int daysAhead;

  InboxRetentionSql(String schema, MarkDays days, int daysAhead) {
    this.schema = schema;
    this.days = days;
    this.daysAhead = daysAhead;
  }

  List<Integer> expired(Connection connection) throws SQLException {
    List<Integer> slots = new ArrayList<>();
    try (PreparedStatement select = connection.prepareStatement(FIND_EXPIRED)) {
      select.setInt(1, daysAhead);
      select.setInt(2, days.oldestKept());
      select.setInt(3, 1 - MarkDays.YOUNGEST);
      select.setString(4, InboxSql.name(schema, "inbox_mark"));
      try (ResultSet row = select.executeQuery()) {
        while (row.next()) {
          slots.add(row.getInt(1));
        }
      }
    }
    return slots;
  }

  void lock(Connection connection, int slot) throws SQLException {
    execute(connection, LOCK_SLOT.replace("<slot>", slot(slot)));
  }

  void empty(Connection connection, int slot) throws SQLException {
    execute(connection, EMPTY_SLOT.replace("<slot>", slot(slot)));
  }

  private static void execute(Connection connection, String sql) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      statement.execute();
    }
  }

  private String slot(int number) {
    return InboxSql.name(schema, String.format(Locale.ROOT, "inbox_mark_%02d", number));
  }
}

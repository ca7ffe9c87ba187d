package dev.pgbelay.jobqueue;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;

/** The statements that empty the slots of days that are over. */
class RetentionSql {
  /**
   * Slots that hold something and no day that is to be kept. Binds days, the parent's name.
   * Tomorrow's is left alone: a truncate that is sent before midnight may arrive after it.
   */
  private static final String FIND_EXPIRED =
      """
      WITH today AS MATERIALIZED (
        SELECT CAST(floor(extract(epoch FROM clock_timestamp()) / 86400) AS integer) AS day),
      kept AS MATERIALIZED (
        SELECT d.day % 32 AS slot
          FROM today, generate_series(today.day - CAST(? AS integer), today.day + 1) AS d(day)),
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

  private static final String EMPTY_SLOT = "TRUNCATE <slot>";

  private final TablesSql tables;

  RetentionSql(String schema) {
    this.tables = new TablesSql(schema);
  }

  List<Integer> expired(Connection connection, int days) throws SQLException {
    List<Integer> slots = new ArrayList<>();
    try (PreparedStatement select = connection.prepareStatement(FIND_EXPIRED)) {
      select.setInt(1, days);
      select.setString(2, tables.fill("<finished>"));
      try (ResultSet row = select.executeQuery()) {
        while (row.next()) {
          slots.add(row.getInt(1));
        }
      }
    }
    return slots;
  }

  void empty(Connection connection, int slot) throws SQLException {
    String statement = EMPTY_SLOT.replace("<slot>", tables.slot(slot));
    try (PreparedStatement truncate = connection.prepareStatement(statement)) {
      truncate.execute();
    }
  }
}

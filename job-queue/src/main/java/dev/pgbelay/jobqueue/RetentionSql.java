package dev.pgbelay.jobqueue;

import dev.pgbelay.core.internal.PgDriver;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Collection;
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

  /**
   * Read through the parent, whose grants hold; the slot is the partition. Binds slot, outcomes.
   */
  private static final String KEEP =
      """
      INSERT INTO <kept> (id, finished_at, attempt, outcome, queue, kind, reason, tags)
      SELECT id, finished_at, attempt, outcome, queue, kind, reason, tags
        FROM <finished>
       WHERE (finished_day % 32) = ? AND outcome = ANY (CAST(? AS text[]))\
      """;

  /** Binds outcome, days, limit. */
  private static final String FORGET_KEPT =
      """
      DELETE FROM <kept>
       WHERE ctid = ANY (ARRAY(
               SELECT k.ctid FROM <kept> AS k
                WHERE k.outcome = ?
                  AND k.finished_at < clock_timestamp() - CAST(? AS integer) * interval '24 hours'
                LIMIT ?
                  FOR UPDATE SKIP LOCKED))\
      """;

  /** Binds days, limit. */
  private static final String FORGET_DEAD =
      """
      DELETE FROM <dead>
       WHERE id = ANY (ARRAY(
               SELECT d.id FROM <dead> AS d
                WHERE d.died_at < clock_timestamp() - CAST(? AS integer) * interval '24 hours'
                ORDER BY d.died_at
                LIMIT ?
                  FOR UPDATE SKIP LOCKED))\
      """;

  private final TablesSql tables;

  RetentionSql(String schema) {
    this.tables = new TablesSql(schema);
  }

  /** Saves those records of a slot from its emptying whose outcome is kept for longer. */
  void keep(Connection connection, int slot, Collection<String> outcomes) throws SQLException {
    try (PreparedStatement insert = connection.prepareStatement(tables.fill(KEEP))) {
      PgDriver.planEachTime(insert);
      insert.setInt(1, slot);
      insert.setArray(2, connection.createArrayOf("text", outcomes.toArray()));
      insert.executeUpdate();
    }
  }

  int forgetKept(Connection connection, String outcome, int days, int limit) throws SQLException {
    try (PreparedStatement delete = connection.prepareStatement(tables.fill(FORGET_KEPT))) {
      delete.setString(1, outcome);
      delete.setInt(2, days);
      delete.setInt(3, limit);
      return delete.executeUpdate();
    }
  }

  int forgetDead(Connection connection, int days, int limit) throws SQLException {
    try (PreparedStatement delete = connection.prepareStatement(tables.fill(FORGET_DEAD))) {
      delete.setInt(1, days);
      delete.setInt(2, limit);
      return delete.executeUpdate();
    }
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

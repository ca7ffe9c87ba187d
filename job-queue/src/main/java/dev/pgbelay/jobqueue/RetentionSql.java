package dev.pgbelay.jobqueue;

import dev.pgbelay.core.internal.DayRing;
import dev.pgbelay.core.internal.PgDriver;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.util.Collection;
import java.util.List;

/** The statements that empty the slots of days that are over. */
class RetentionSql {
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
  private final DayRing ring;

  RetentionSql(String schema) {
    this.tables = new TablesSql(schema);
    this.ring = new DayRing(schema, "job_finished");
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
    return ring.expired(connection, days);
  }

  void empty(Connection connection, int slot) throws SQLException {
    ring.empty(connection, slot);
  }
}

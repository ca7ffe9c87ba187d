package dev.pgbelay.jobqueue;

import dev.pgbelay.core.internal.PgDriver;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The statements that give the slots of partition keys to jobs. A slot is a column of the job that
 * has it, and unique, so nothing can leak or be given twice.
 *
 * <p>A slot that a job leaves goes to the next of its key in the same statement: {@link #HANDOFF}.
 * Free slots are given out by one transaction at a time; what that one cannot see yet, because it
 * commits at the same moment, the next walk over the keys finds.
 */
class KeySql {
  /**
   * Parts of a statement whose part {@code <left>} has the queue, the partition key and the slot
   * that a job has left, or null. The next one of a key is not passed over while somebody else is
   * about to change it, nor one that has arrived before it: then the slot is free, and given out
   * later.
   */
  static final String HANDOFF =
      """
      vacated AS MATERIALIZED (
        SELECT l.queue, l.partition_key, l.key_slot,
               row_number() OVER (PARTITION BY l.queue, l.partition_key ORDER BY l.key_slot) AS n
          FROM <left> AS l
               LEFT JOIN <control> AS c ON c.scope = 'queue' AND c.name = l.queue
         WHERE l.key_slot BETWEEN 1 AND coalesce(c.key_limit, 1)),
      heads AS MATERIALIZED (
        SELECT v.key_slot, h.id, h.at
          FROM vacated AS v
               CROSS JOIN LATERAL (
                 SELECT j.id, j.place, j.ctid AS at
                   FROM <job> AS j
                  WHERE j.key_slot = 0 AND j.queue = v.queue
                    AND j.partition_key = v.partition_key
                  ORDER BY j.place, j.id
                 OFFSET v.n - 1
                  LIMIT 1) AS h
         WHERE NOT EXISTS (
                 SELECT FROM <job> AS a
                  WHERE a.key_slot = -1 AND (a.place, a.id) < (h.place, h.id)
                    AND a.queue = v.queue AND a.partition_key = v.partition_key
                 OFFSET 0)),
      next_ones AS MATERIALIZED (
        SELECT j.ctid AS at
          FROM <job> AS j
         WHERE j.ctid = ANY (ARRAY(SELECT h.at FROM heads AS h)) AND j.key_slot = 0
           FOR NO KEY UPDATE OF j SKIP LOCKED),
      handed_on AS (
        UPDATE <job> AS j
           SET state = 'ready', run_at = NULL, key_slot = h.key_slot
          FROM heads AS h
         WHERE j.ctid = ANY (ARRAY(SELECT o.at FROM next_ones AS o)) AND h.id = j.id)""";

  /** Binds the place before which nothing is looked for, and whether to look for blocked ones. */
  private static final String LOOK =
      """
      SELECT EXISTS (SELECT FROM <job> AS j WHERE j.key_slot = -1 AND j.place >= ?),
             CAST(? AS boolean) AND EXISTS (SELECT FROM <job> AS j WHERE j.key_slot = 0),
             CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)\
      """;

  private static final String LOCK_ADMISSION =
      "SELECT pg_try_advisory_xact_lock(hashtextextended(?, 0))";

  /**
   * Given the parts {@code page}, jobs that have just arrived, and {@code keys}: gives the free
   * slots of the keys to the first of each. Late is the first that has arrived of a key and is not
   * in the page, because somebody holds it or the look did not go back so far: what stands behind
   * it gets none. Where a key has a limit of several there is no order to keep. OFFSET 0 keeps the
   * look-ups from becoming a join that reads every slot there is, and the sum keeps the one by id
   * from reading the whole index of blocked jobs.
   */
  private static final String GIVE_SLOTS =
      """
      room AS MATERIALIZED (
        SELECT k.queue, k.partition_key, s.slot,
               row_number() OVER (PARTITION BY k.queue, k.partition_key ORDER BY s.slot) AS n
          FROM keys AS k
               LEFT JOIN <control> AS c ON c.scope = 'queue' AND c.name = k.queue
               CROSS JOIN LATERAL generate_series(1, coalesce(c.key_limit, 1)) AS s(slot)
         WHERE NOT EXISTS (
                 SELECT FROM <job> AS h
                  WHERE h.queue = k.queue AND h.partition_key = k.partition_key
                    AND h.key_slot = s.slot AND h.key_slot > 0
                 OFFSET 0)),
      late AS MATERIALIZED (
        SELECT f.queue, f.partition_key, a.place, a.id
          FROM (SELECT DISTINCT r.queue, r.partition_key FROM room AS r) AS f
               LEFT JOIN <control> AS c ON c.scope = 'queue' AND c.name = f.queue
               CROSS JOIN LATERAL (
                 SELECT j.place, j.id
                   FROM <job> AS j
                  WHERE j.key_slot = -1 AND j.queue = f.queue
                    AND j.partition_key = f.partition_key
                    AND j.id <> ALL (ARRAY(SELECT p.id FROM page AS p))
                  ORDER BY j.place, j.id
                  LIMIT 1) AS a
         WHERE coalesce(c.key_limit, 1) = 1),
      waiting AS MATERIALIZED (
        SELECT b.id, k.queue, k.partition_key, b.place, false AS arrives
          FROM (SELECT r.queue, r.partition_key, count(*) AS free
                  FROM room AS r GROUP BY r.queue, r.partition_key) AS k
               CROSS JOIN LATERAL (
                 SELECT j.id, j.place
                   FROM <job> AS j
                  WHERE j.key_slot = 0 AND j.queue = k.queue
                    AND j.partition_key = k.partition_key
                  ORDER BY j.place, j.id
                  LIMIT k.free) AS b
        UNION ALL
        SELECT p.id, p.queue, p.partition_key, p.place, true FROM page AS p),
      ranked AS MATERIALIZED (
        SELECT w.*,
               row_number() OVER (PARTITION BY w.queue, w.partition_key ORDER BY w.place, w.id) AS n
          FROM waiting AS w),
      chosen AS MATERIALIZED (
        SELECT r.id, r.arrives, m.slot
          FROM ranked AS r
               LEFT JOIN late AS l ON l.queue = r.queue AND l.partition_key = r.partition_key
               LEFT JOIN room AS m ON m.queue = r.queue AND m.partition_key = r.partition_key
                                  AND m.n = r.n
                                  AND (l.id IS NULL OR (r.place, r.id) < (l.place, l.id))
         WHERE r.arrives OR m.slot IS NOT NULL),
      held AS MATERIALIZED (
        SELECT j.id
          FROM <job> AS j
         WHERE j.id = ANY (ARRAY(SELECT c.id FROM chosen AS c WHERE NOT c.arrives))
           AND j.key_slot + 0 = 0
           FOR NO KEY UPDATE OF j SKIP LOCKED),
      written AS (
        UPDATE <job> AS j
           SET state = CASE WHEN c.slot IS NULL THEN 'blocked' ELSE 'ready' END,
               run_at = CASE WHEN c.slot IS NULL THEN j.run_at END,
               key_slot = coalesce(c.slot, 0)
          FROM chosen AS c
         WHERE j.id = ANY (ARRAY(SELECT a.id FROM chosen AS a WHERE a.arrives
                                 UNION ALL SELECT h.id FROM held AS h))
           AND j.id = c.id
        RETURNING j.state)
      """;

  /** Binds the place before which nothing is looked for, and limit. */
  private static final String ADMIT =
      """
      WITH page AS MATERIALIZED (
        SELECT j.id, j.queue, j.partition_key, j.place
          FROM <job> AS j
         WHERE j.key_slot = -1 AND j.place >= ?
         ORDER BY j.place, j.id
         LIMIT ?
           FOR NO KEY UPDATE OF j SKIP LOCKED),
      keys AS MATERIALIZED (SELECT DISTINCT p.queue, p.partition_key FROM page AS p),
      """
          + GIVE_SLOTS
          + """
      SELECT (SELECT count(*) FROM page), (SELECT count(*) FROM written WHERE state = 'ready'),
             CAST(NULL AS text), CAST(NULL AS text)\
      """;

  /** Binds the last queue and key twice, limit. Goes from key to key, not from job to job. */
  private static final String SWEEP =
      """
      WITH RECURSIVE walk AS (
        (SELECT j.queue, j.partition_key
           FROM <job> AS j
          WHERE j.key_slot = 0 AND (j.queue, j.partition_key) > (?, ?)
          ORDER BY j.queue, j.partition_key
          LIMIT 1)
        UNION ALL
        SELECT n.queue, n.partition_key
          FROM walk AS w
               CROSS JOIN LATERAL (
                 SELECT j.queue, j.partition_key
                   FROM <job> AS j
                  WHERE j.key_slot = 0
                    AND (j.queue, j.partition_key) > (w.queue, w.partition_key)
                  ORDER BY j.queue, j.partition_key
                  LIMIT 1) AS n),
      keys AS MATERIALIZED (SELECT w.queue, w.partition_key FROM walk AS w LIMIT ?),
      page AS MATERIALIZED (
        SELECT CAST(NULL AS bigint) AS id, k.queue, k.partition_key, CAST(NULL AS bigint) AS place
          FROM keys AS k
         WHERE false),
      """
          + GIVE_SLOTS
          + """
      SELECT (SELECT count(*) FROM keys), (SELECT count(*) FROM written WHERE state = 'ready'),
             (SELECT k.queue FROM keys AS k ORDER BY k.queue DESC, k.partition_key DESC LIMIT 1),
             (SELECT k.partition_key FROM keys AS k
               ORDER BY k.queue DESC, k.partition_key DESC LIMIT 1)\
      """;

  /** Where everything is looked at. */
  static final long FRONT = Long.MIN_VALUE;

  /** Where a walk over the keys stands. */
  record SlotKey(String queue, String partitionKey) {}

  /**
   * What was given out.
   *
   * @param looked jobs, or keys, that were looked at
   * @param ready jobs that may be claimed now
   * @param last the key that was looked at last, null at the end
   */
  record Given(int looked, int ready, @Nullable SlotKey last) {}

  private final String look;
  private final String admit;
  private final String sweep;
  private final String lockName;

  KeySql(String schema) {
    TablesSql tables = new TablesSql(schema);
    this.look = tables.fill(LOOK);
    this.admit = tables.fill(ADMIT);
    this.sweep = tables.fill(SWEEP);
    this.lockName = "pgbelay keys of " + tables.fill("<job>");
  }

  /**
   * Who waits for a slot.
   *
   * @param nowMicros the database's clock, since 1970
   */
  record Waiting(boolean arrived, boolean blocked, long nowMicros) {}

  /**
   * Whether any job waits for a slot: nearly always there is none, and this is all there is to do.
   *
   * @param from the place before which nothing is looked for
   */
  Waiting look(Connection connection, long from, boolean blockedToo) throws SQLException {
    try (PreparedStatement select = connection.prepareStatement(look)) {
      PgDriver.planEachTime(select);
      select.setLong(1, from);
      select.setBoolean(2, blockedToo);
      try (ResultSet row = select.executeQuery()) {
        row.next();
        return new Waiting(row.getBoolean(1), row.getBoolean(2), row.getLong(3));
      }
    }
  }

  /** What the server says of a look and of an admission that it really makes; for tests. */
  String explain(Connection connection, long from, int limit) throws SQLException {
    StringBuilder plan = new StringBuilder();
    try (PreparedStatement select =
            connection.prepareStatement("EXPLAIN (ANALYZE, BUFFERS) " + look);
        PreparedStatement update =
            connection.prepareStatement("EXPLAIN (ANALYZE, BUFFERS) " + admit)) {
      select.setLong(1, from);
      select.setBoolean(2, false);
      update.setLong(1, from);
      update.setInt(2, limit);
      for (PreparedStatement one : List.of(select, update)) {
        try (ResultSet row = one.executeQuery()) {
          while (row.next()) {
            plan.append(row.getString(1)).append('\n');
          }
        }
      }
      return plan.toString();
    }
  }

  /** Whether this transaction may give out slots; no other does until it ends. */
  boolean lock(Connection connection) throws SQLException {
    try (PreparedStatement select = connection.prepareStatement(LOCK_ADMISSION)) {
      select.setString(1, lockName);
      try (ResultSet row = select.executeQuery()) {
        row.next();
        return row.getBoolean(1);
      }
    }
  }

  /**
   * Jobs that arrived become ready or blocked. Only under {@link #lock}.
   *
   * @param from the place before which nothing is looked for
   */
  Given admit(Connection connection, long from, int limit) throws SQLException {
    try (PreparedStatement update = connection.prepareStatement(admit)) {
      PgDriver.planEachTime(update);
      update.setLong(1, from);
      update.setInt(2, limit);
      return given(update, limit);
    }
  }

  /** Free slots of keys that have blocked jobs are given out. Only under {@link #lock}. */
  Given sweep(Connection connection, @Nullable SlotKey after, int limit) throws SQLException {
    try (PreparedStatement update = connection.prepareStatement(sweep)) {
      PgDriver.planEachTime(update);
      update.setString(1, after == null ? "" : after.queue());
      update.setString(2, after == null ? "" : after.partitionKey());
      update.setInt(3, limit);
      return given(update, limit);
    }
  }

  private static Given given(PreparedStatement update, int limit) throws SQLException {
    try (ResultSet row = update.executeQuery()) {
      row.next();
      int looked = row.getInt(1);
      String queue = row.getString(3);
      String key = row.getString(4);
      return new Given(
          looked,
          row.getInt(2),
          looked < limit || queue == null || key == null ? null : new SlotKey(queue, key));
    }
  }
}

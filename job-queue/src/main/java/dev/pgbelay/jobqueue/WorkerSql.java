package dev.pgbelay.jobqueue;

import dev.pgbelay.core.internal.Fence;
import dev.pgbelay.core.internal.LeaseKeepAlive;
import dev.pgbelay.core.internal.PgDriver;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.UUID;

/**
 * The statements about workers: they are kept alive, fenced when they are not heard of, and then
 * their jobs go back page by page.
 */
class WorkerSql {
  private static final String REGISTER =
      """
      INSERT INTO <worker> (claimant, node, expires_at)
      VALUES (?, ?, clock_timestamp() + CAST(? AS bigint) * interval '1 millisecond')
      ON CONFLICT (claimant) DO NOTHING\
      """;

  private static final String RENEW =
      """
      UPDATE <worker>
         SET expires_at = clock_timestamp() + CAST(? AS bigint) * interval '1 millisecond'
       WHERE claimant = ANY (CAST(? AS uuid[])) AND fenced_at IS NULL
      RETURNING claimant\
      """;

  private static final String UNREGISTER =
      """
      DELETE FROM <worker> AS w
       WHERE w.claimant = ?
         AND NOT EXISTS (SELECT FROM <job> AS j WHERE j.claimant = w.claimant)\
      """;

  /** One whose claim is under way is passed over, and found the next time. */
  private static final String FENCE_EXPIRED =
      """
      UPDATE <worker> AS w
         SET fenced_at = clock_timestamp()
       WHERE w.claimant = ANY (ARRAY(
               SELECT e.claimant FROM <worker> AS e
                WHERE e.fenced_at IS NULL AND e.expires_at < clock_timestamp()
                  FOR UPDATE SKIP LOCKED))\
      """;

  /** One that is not expired; for the test kit. */
  private static final String FENCE_ONE =
      """
      UPDATE <worker>
         SET fenced_at = clock_timestamp(), expires_at = clock_timestamp()
       WHERE claimant = ? AND fenced_at IS NULL\
      """;

  /**
   * Jobs that run for nobody, as after a row of this table was deleted by hand. Reads all jobs: a
   * claim has no index to change, and so there is none to find it by.
   */
  private static final String FENCE_UNKNOWN =
      """
      INSERT INTO <worker> (claimant, node, expires_at, fenced_at)
      SELECT DISTINCT j.claimant, 'unknown', clock_timestamp(), clock_timestamp()
        FROM <job> AS j
       WHERE j.claimant IS NOT NULL
         AND NOT EXISTS (SELECT FROM <worker> AS w WHERE w.claimant = j.claimant)
      ON CONFLICT (claimant) DO NOTHING\
      """;

  private static final String LIST_FENCED =
      "SELECT claimant FROM <worker> WHERE fenced_at IS NOT NULL ORDER BY fenced_at";

  /** Binds claimant. Reads all jobs, once per worker that died. */
  private static final String LIST_CLAIMED =
      "SELECT j.id FROM <job> AS j WHERE j.claimant = ? ORDER BY j.id";

  /**
   * Binds ids, claimant three times. Jobs that are being completed at this moment are passed over.
   * The fence is in the row: it is the claimant. A job that goes back keeps the slot of its key;
   * the slot of one that is buried goes to the next.
   */
  private static final String RESCUE =
      """
      WITH page AS MATERIALIZED (
        SELECT j.id FROM <job> AS j
         WHERE j.id = ANY (CAST(? AS bigint[])) AND j.claimant = ?
           FOR UPDATE OF j SKIP LOCKED),
      back AS (
        UPDATE <job> AS j
           SET state = 'ready', claimant = NULL, claim_number = NULL,
               failures = j.failures[greatest(1, cardinality(j.failures) - 6):]
                 || format('attempt %s, %s: worker was not heard of', j.attempt, clock_timestamp())
         WHERE j.id = ANY (ARRAY(SELECT id FROM page))
           AND j.claimant = ? AND j.attempt < j.max_attempts
        RETURNING j.id),
      gone AS (
        DELETE FROM <job> AS j
         WHERE j.id = ANY (ARRAY(SELECT id FROM page))
           AND j.claimant = ? AND j.attempt >= j.max_attempts
        RETURNING j.*),
      buried AS (
        INSERT INTO <dead> (id, enqueued_at, attempt, max_attempts, priority, queue, kind, reason,
                          deadline_ms, partition_key, tags, headers, failures, payload)
        SELECT id, enqueued_at, attempt, max_attempts, priority, queue, kind,
               'worker was not heard of in the last attempt', deadline_ms, partition_key, tags,
               headers, failures, payload
          FROM gone),
      <handoff>
      SELECT (SELECT count(*) FROM back), (SELECT count(*) FROM gone)\
      """;

  private static final String REMOVE_FENCED =
      """
      DELETE FROM <worker> AS w
       WHERE w.claimant = ? AND w.fenced_at IS NOT NULL
         AND NOT EXISTS (SELECT FROM <job> AS j WHERE j.claimant = w.claimant)\
      """;

  /** Binds limit. */
  private static final String PROMOTE =
      """
      WITH due AS MATERIALIZED (
        SELECT j.id FROM <job> AS j
         WHERE j.run_at <= clock_timestamp()
         ORDER BY j.run_at
         LIMIT ?
           FOR NO KEY UPDATE OF j SKIP LOCKED)
      UPDATE <job> AS j
         SET state = CASE WHEN j.partition_key IS NULL OR j.key_slot > 0 THEN 'ready'
                          ELSE 'arriving' END,
             run_at = CASE WHEN j.partition_key IS NULL OR j.key_slot > 0 THEN NULL
                           ELSE CAST('infinity' AS timestamptz) END,
             key_slot = CASE WHEN j.partition_key IS NULL THEN NULL
                             ELSE coalesce(j.key_slot, -1) END
       WHERE j.id = ANY (ARRAY(SELECT id FROM due))\
      """;

  private static final String MILLIS_TO_NEXT =
      """
      SELECT CAST(extract(epoch FROM j.run_at - clock_timestamp()) * 1000 AS bigint)
        FROM <job> AS j
       WHERE j.run_at < 'infinity'
       ORDER BY j.run_at
       LIMIT 1\
      """;

  private final String register;
  private final String renew;
  private final String unregister;
  private final String fenceExpired;
  private final String fenceOne;
  private final String fenceUnknown;
  private final String listFenced;
  private final String listClaimed;
  private final String rescue;
  private final String removeFenced;
  private final String promote;
  private final String millisToNext;

  WorkerSql(String schema) {
    TablesSql tables = new TablesSql(schema);
    this.register = tables.fill(REGISTER);
    this.renew = tables.fill(RENEW);
    this.unregister = tables.fill(UNREGISTER);
    this.fenceExpired = tables.fill(FENCE_EXPIRED);
    this.fenceOne = tables.fill(FENCE_ONE);
    this.fenceUnknown = tables.fill(FENCE_UNKNOWN);
    this.listFenced = tables.fill(LIST_FENCED);
    this.listClaimed = tables.fill(LIST_CLAIMED);
    this.rescue =
        tables.fill(RESCUE.replace("<handoff>", KeySql.HANDOFF.replace("<left>", "gone")));
    this.removeFenced = tables.fill(REMOVE_FENCED);
    this.promote = tables.fill(PROMOTE);
    this.millisToNext = tables.fill(MILLIS_TO_NEXT);
  }

  /** May be sent twice. */
  void register(Connection connection, UUID claimant, String node, Duration lease)
      throws SQLException {
    try (PreparedStatement insert = connection.prepareStatement(register)) {
      insert.setObject(1, claimant);
      insert.setString(2, node);
      insert.setLong(3, lease.toMillis());
      insert.executeUpdate();
    }
  }

  LeaseKeepAlive.Renewed renew(Connection connection, List<Fence> workers, Duration lease)
      throws SQLException {
    Set<UUID> found = new HashSet<>();
    try (PreparedStatement update = connection.prepareStatement(renew)) {
      update.setQueryTimeout((int) Math.max(1, lease.toSeconds() / 3));
      update.setLong(1, lease.toMillis());
      update.setArray(
          2, connection.createArrayOf("uuid", workers.stream().map(Fence::claimant).toArray()));
      try (ResultSet row = update.executeQuery()) {
        while (row.next()) {
          found.add(row.getObject(1, UUID.class));
        }
      }
    }
    Set<Fence> renewed = new HashSet<>();
    Set<Fence> lost = new HashSet<>();
    for (Fence worker : workers) {
      (found.contains(worker.claimant()) ? renewed : lost).add(worker);
    }
    return new LeaseKeepAlive.Renewed(renewed, lost);
  }

  /** Only if no job is left under it; otherwise it expires, and they are rescued. */
  void unregister(Connection connection, UUID claimant) throws SQLException {
    executeFor(connection, unregister, claimant);
  }

  int fenceExpired(Connection connection) throws SQLException {
    return execute(connection, fenceExpired);
  }

  int fenceUnknown(Connection connection) throws SQLException {
    return execute(connection, fenceUnknown);
  }

  void fence(Connection connection, UUID claimant) throws SQLException {
    executeFor(connection, fenceOne, claimant);
  }

  List<UUID> fenced(Connection connection) throws SQLException {
    List<UUID> claimants = new ArrayList<>();
    try (PreparedStatement select = connection.prepareStatement(listFenced);
        ResultSet row = select.executeQuery()) {
      while (row.next()) {
        claimants.add(row.getObject(1, UUID.class));
      }
    }
    return claimants;
  }

  /** The ids of all jobs that a worker has claimed and not settled. */
  List<Long> claimed(Connection connection, UUID claimant) throws SQLException {
    List<Long> ids = new ArrayList<>();
    try (PreparedStatement select = connection.prepareStatement(listClaimed)) {
      select.setObject(1, claimant);
      try (ResultSet row = select.executeQuery()) {
        while (row.next()) {
          ids.add(row.getLong(1));
        }
      }
    }
    return ids;
  }

  /**
   * A page of a dead worker's jobs.
   *
   * @param back those that may be tried again
   * @param buried those whose attempts are used up
   */
  record Rescued(int back, int buried) {}

  Rescued rescue(Connection connection, UUID claimant, List<Long> ids) throws SQLException {
    try (PreparedStatement page = connection.prepareStatement(rescue)) {
      PgDriver.planEachTime(page);
      page.setArray(1, connection.createArrayOf("bigint", ids.toArray()));
      page.setObject(2, claimant);
      page.setObject(3, claimant);
      page.setObject(4, claimant);
      try (ResultSet row = page.executeQuery()) {
        row.next();
        return new Rescued(row.getInt(1), row.getInt(2));
      }
    }
  }

  void removeFenced(Connection connection, UUID claimant) throws SQLException {
    executeFor(connection, removeFenced, claimant);
  }

  int promote(Connection connection, int limit) throws SQLException {
    try (PreparedStatement update = connection.prepareStatement(promote)) {
      PgDriver.planEachTime(update);
      update.setInt(1, limit);
      return update.executeUpdate();
    }
  }

  /** Until the next scheduled job falls due; a day if there is none. */
  Duration untilNext(Connection connection) throws SQLException {
    try (PreparedStatement select = connection.prepareStatement(millisToNext);
        ResultSet row = select.executeQuery()) {
      return row.next() ? Duration.ofMillis(Math.max(1, row.getLong(1))) : Duration.ofDays(1);
    }
  }

  private static int execute(Connection connection, String statement) throws SQLException {
    try (PreparedStatement prepared = connection.prepareStatement(statement)) {
      PgDriver.planEachTime(prepared);
      return prepared.executeUpdate();
    }
  }

  private static void executeFor(Connection connection, String statement, UUID claimant)
      throws SQLException {
    try (PreparedStatement prepared = connection.prepareStatement(statement)) {
      PgDriver.planEachTime(prepared);
      prepared.setObject(1, claimant);
      prepared.executeUpdate();
    }
  }
}

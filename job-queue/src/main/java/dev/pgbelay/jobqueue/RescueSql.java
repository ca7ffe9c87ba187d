package dev.pgbelay.jobqueue;

import dev.pgbelay.core.internal.PgDriver;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;

/** The statements by which the jobs of a worker that was fenced go back, page by page. */
class RescueSql {
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
                 || concat_ws(chr(9), j.attempt, <now as text>,
                              coalesce((SELECT w.node FROM <worker> AS w
                                         WHERE w.claimant = j.claimant), 'unknown'),
                              'worker was not heard of')
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
               headers,
               failures[greatest(1, cardinality(failures) - 6):]
                 || concat_ws(chr(9), attempt, <now as text>,
                              coalesce((SELECT w.node FROM <worker> AS w
                                         WHERE w.claimant = gone.claimant), 'unknown'),
                              'worker was not heard of'),
               payload
          FROM gone),
      <handoff>
      SELECT (SELECT count(*) FROM back), (SELECT count(*) FROM gone)\
      """;

  private final String listClaimed;
  private final String rescue;

  RescueSql(String schema) {
    TablesSql tables = new TablesSql(schema);
    this.listClaimed = tables.fill(LIST_CLAIMED);
    this.rescue =
        tables.fill(RESCUE.replace("<handoff>", KeySql.HANDOFF.replace("<left>", "gone")));
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
}

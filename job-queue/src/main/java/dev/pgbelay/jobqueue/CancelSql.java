package dev.pgbelay.jobqueue;

import dev.pgbelay.core.internal.PgDriver;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.HashMap;
import java.util.Map;

/**
 * The statements that cancel jobs whatever they do. What waits is ended; what runs is written down,
 * told by its worker to its handler, and ended here if it comes back to wait.
 */
class CancelSql {
  private static final String ENDED =
      """
      kept AS (
        INSERT INTO <finished> (id, finished_at, finished_day, attempt, outcome, queue, kind, reason,
                                tags)
        SELECT id, clock_timestamp(),
               CAST(floor(extract(epoch FROM clock_timestamp()) / 86400) AS integer),
               attempt, 'cancelled', queue, kind, reason, tags
          FROM gone),
      """
          + KeySql.HANDOFF.replace("<left>", "gone");

  /** Binds reason, id. */
  private static final String REQUEST =
      """
      WITH given AS MATERIALIZED (SELECT CAST(? AS text) AS reason, CAST(? AS bigint) AS id),
      gone AS (
        DELETE FROM <job> AS j USING given
         WHERE j.id = given.id AND j.state <> 'running'
        RETURNING j.id, j.attempt, j.queue, j.kind, given.reason, j.tags, j.partition_key,
                  j.key_slot),
      """
          + ENDED
          + """
      ,
      asked AS (
        INSERT INTO <cancel> (job_id, reason)
        SELECT given.id, given.reason
          FROM given JOIN <job> AS j ON j.id = given.id
         WHERE NOT EXISTS (SELECT FROM gone)
        ON CONFLICT (job_id) DO NOTHING)
      SELECT CASE WHEN EXISTS (SELECT FROM gone) THEN 'DONE'
                  WHEN EXISTS (SELECT FROM <job> AS j JOIN given ON j.id = given.id) THEN 'REQUESTED'
                  ELSE 'NOT_FOUND' END\
      """;

  private static final String LIST = "SELECT job_id, reason FROM <cancel>";

  /** Jobs that do not run are ended; those whose job is gone are forgotten. */
  private static final String APPLY =
      """
      WITH page AS MATERIALIZED (
        SELECT j.id, c.reason
          FROM <cancel> AS c JOIN <job> AS j ON j.id = c.job_id
         WHERE j.state <> 'running'
           FOR UPDATE OF j SKIP LOCKED),
      gone AS (
        DELETE FROM <job> AS j USING page
         WHERE j.id = ANY (ARRAY(SELECT p.id FROM page AS p)) AND j.id = page.id
        RETURNING j.id, j.attempt, j.queue, j.kind, page.reason, j.tags, j.partition_key,
                  j.key_slot),
      """
          + ENDED
          + """

      DELETE FROM <cancel> AS c
       WHERE c.job_id IN (SELECT g.id FROM gone AS g)
          OR NOT EXISTS (SELECT FROM <job> AS j WHERE j.id = c.job_id OFFSET 0)\
      """;

  private final String request;
  private final String list;
  private final String apply;

  CancelSql(String schema) {
    TablesSql tables = new TablesSql(schema);
    this.request = tables.fill(REQUEST);
    this.list = tables.fill(LIST);
    this.apply = tables.fill(APPLY);
  }

  JobQueue.Change request(Connection connection, long id, String reason) throws SQLException {
    try (PreparedStatement delete = connection.prepareStatement(request)) {
      delete.setString(1, reason);
      delete.setLong(2, id);
      try (ResultSet row = delete.executeQuery()) {
        row.next();
        return JobQueue.Change.valueOf(row.getString(1));
      }
    }
  }

  /** Which jobs are to be cancelled, and why. */
  Map<Long, String> list(Connection connection) throws SQLException {
    Map<Long, String> reasons = new HashMap<>();
    try (PreparedStatement select = connection.prepareStatement(list);
        ResultSet row = select.executeQuery()) {
      while (row.next()) {
        reasons.put(row.getLong(1), row.getString(2));
      }
    }
    return reasons;
  }

  /** Any number of workers may do it at once. */
  void apply(Connection connection) throws SQLException {
    try (PreparedStatement delete = connection.prepareStatement(apply)) {
      PgDriver.planEachTime(delete);
      delete.executeUpdate();
    }
  }
}

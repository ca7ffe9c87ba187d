package dev.pgbelay.jobqueue;

import dev.pgbelay.core.internal.Fence;
import dev.pgbelay.jobqueue.JobQueue.Report;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Types;
import java.time.Duration;
import java.time.OffsetDateTime;
import java.util.Optional;
import org.jooq.DSLContext;
import org.jooq.Record;
import org.jooq.impl.DSL;
import org.jspecify.annotations.Nullable;

/** The statements on what handlers tell of their jobs. */
class ReportSql {
  /** What a statement of a handler has about its job. */
  static final String FENCE = "AND j.claimant = ? AND j.claim_number = ?";

  /**
   * Binds idle milliseconds, id, claimant, number, percent, note, output. The job is locked so that
   * its claim does not pass on before this is committed. What is not given stays as it was.
   */
  private static final String WRITE =
      """
      WITH bounds AS MATERIALIZED (
        SELECT set_config('idle_in_transaction_session_timeout', ? || 'ms', true)),
      mine AS MATERIALIZED (
        SELECT j.id
          FROM <job> AS j, bounds
         WHERE j.id = ? <fence>
           FOR SHARE OF j)
      INSERT INTO <report> AS r (job_id, written_at, percent, note, output)
      SELECT mine.id, clock_timestamp(), CAST(? AS smallint), CAST(? AS text), CAST(? AS bytea)
        FROM mine
      ON CONFLICT (job_id) DO UPDATE
        SET written_at = excluded.written_at, percent = coalesce(excluded.percent, r.percent),
            note = coalesce(excluded.note, r.note), output = coalesce(excluded.output, r.output)\
      """;

  private static final String READ =
      "SELECT written_at, percent, note, output FROM {0} WHERE job_id = {1}";

  /** Binds the last id seen, limit, days. */
  private static final String PURGE =
      """
      WITH page AS MATERIALIZED (
        SELECT r.job_id, r.written_at
          FROM <report> AS r
         WHERE r.job_id > ?
         ORDER BY r.job_id
         LIMIT ?),
      gone AS (
        DELETE FROM <report> AS r
         WHERE r.job_id = ANY (ARRAY(
                 SELECT p.job_id FROM page AS p
                  WHERE p.written_at < clock_timestamp() - CAST(? AS integer) * interval '1 day'
                    AND NOT EXISTS (SELECT FROM <job> AS j WHERE j.id = p.job_id OFFSET 0)
                    AND NOT EXISTS (SELECT FROM <dead> AS d WHERE d.id = p.job_id OFFSET 0))))
      SELECT count(*), max(job_id) FROM page\
      """;

  private final String write;
  private final String purge;
  private final Duration idle;

  ReportSql(String schema, Duration idle) {
    this(schema, idle, FENCE);
  }

  /** With another fence: tests show that without it the statement does harm. */
  ReportSql(String schema, Duration idle, String fence) {
    TablesSql tables = new TablesSql(schema);
    this.idle = idle;
    this.write = tables.fill(WRITE.replace("<fence>", fence));
    this.purge = tables.fill(PURGE);
  }

  /** Whether the job was under its fence. */
  boolean write(
      Connection connection,
      long id,
      Fence fence,
      @Nullable Integer percent,
      @Nullable String note,
      byte @Nullable [] output)
      throws SQLException {
    try (PreparedStatement insert = connection.prepareStatement(write)) {
      insert.setString(1, Long.toString(idle.toMillis()));
      insert.setLong(2, id);
      int next = fence.bind(insert, 3);
      insert.setObject(next++, percent, Types.SMALLINT);
      insert.setString(next++, note);
      insert.setBytes(next, output);
      return insert.executeUpdate() == 1;
    }
  }

  static Optional<Report> read(DSLContext dsl, String schema, long id) {
    return dsl.resultQuery(READ, DSL.table(DSL.name(schema, "job_report")), DSL.val(id))
        .fetchOptional(ReportSql::report);
  }

  private static Report report(Record row) {
    return new Report(
        row.get("written_at", OffsetDateTime.class).toInstant(),
        Optional.ofNullable(row.get("percent", Integer.class)),
        Optional.ofNullable(row.get("note", String.class)),
        Optional.ofNullable(row.get("output", byte[].class)));
  }

  /** Forgets a page of what belongs to jobs that ended long ago; the last id, 0 at the end. */
  long purge(Connection connection, long after, int limit, int days) throws SQLException {
    try (PreparedStatement delete = connection.prepareStatement(purge)) {
      delete.setLong(1, after);
      delete.setInt(2, limit);
      delete.setInt(3, days);
      try (ResultSet row = delete.executeQuery()) {
        row.next();
        return row.getInt(1) < limit ? 0 : row.getLong(2);
      }
    }
  }
}

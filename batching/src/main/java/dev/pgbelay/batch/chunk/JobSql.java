package dev.pgbelay.batch.chunk;

import static org.jooq.impl.DSL.val;

import dev.pgbelay.core.internal.Fence;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;
import org.jspecify.annotations.Nullable;

/** The statements on the table of jobs. {@code {0}} is that table, {@code {1}} the job's name. */
class JobSql {
  private static final String ADD_UNLESS_THERE =
      """
      INSERT INTO {0} (name, definition, chunk_rows) VALUES ({1}, {2}, {3})
      ON CONFLICT (name) DO NOTHING\
      """;

  /** A row that is locked belongs to a runner in the middle of a chunk: it is passed over. */
  private static final String CLAIM =
      """
      UPDATE {0} AS job
         SET claimant = {2}, claim_number = {3},
             lease_until = clock_timestamp() + {4} * interval '1 millisecond',
             throttled_by = NULL, throttled_since = NULL, updated_at = clock_timestamp()
        FROM (SELECT name FROM {0}
               WHERE name = {1}
                 AND (claimant IS NULL OR lease_until <= clock_timestamp()
                      OR (claimant = {2} AND claim_number = {3}))
                 FOR NO KEY UPDATE SKIP LOCKED) AS free
       WHERE job.name = free.name
      RETURNING job.definition, job.state\
      """;

  private static final String RESTART =
      """
      UPDATE {0}
         SET state = 'ACTIVE', position = NULL, rows_done = 0, chunks_done = 0, rows_walked = 0,
             work_seconds = 0, definition = {4}, started_at = clock_timestamp(), finished_at = NULL
       WHERE name = {1} AND claimant = {2} AND claim_number = {3}\
      """;

  private static final String SAVE_ESTIMATE =
      """
      UPDATE {0} SET rows_estimated = {4}
       WHERE name = {1} AND claimant = {2} AND claim_number = {3}\
      """;

  private static final String LOCK =
      """
      SELECT state, position, chunk_rows FROM {0}
       WHERE name = {1} AND claimant = {2} AND claim_number = {3}
         FOR NO KEY UPDATE\
      """;

  private static final String SAVE =
      """
      UPDATE {0}
         SET position = {4}, rows_done = rows_done + {5}, chunks_done = chunks_done + 1,
             rows_walked = rows_walked + {6}, chunk_rows = {7},
             work_seconds = work_seconds + {8},
             state = CASE WHEN {9} THEN 'DONE' ELSE state END,
             finished_at = CASE WHEN {9} THEN clock_timestamp() END,
             lease_until = clock_timestamp() + {10} * interval '1 millisecond',
             throttled_by = NULL, throttled_since = NULL, updated_at = clock_timestamp()
       WHERE name = {1} AND claimant = {2} AND claim_number = {3}\
      """;

  private static final String RENEW =
      """
      UPDATE {0}
         SET lease_until = clock_timestamp() + {4} * interval '1 millisecond',
             throttled_by = {5},
             throttled_since =
               CASE WHEN {5} IS NOT NULL THEN coalesce(throttled_since, clock_timestamp()) END
       WHERE name = {1} AND claimant = {2} AND claim_number = {3}
      RETURNING state,
        cast(extract(epoch FROM clock_timestamp() - throttled_since) * 1000 AS bigint) AS millis\
      """;

  private static final String RELEASE =
      """
      UPDATE {0}
         SET claimant = NULL, claim_number = NULL, lease_until = NULL,
             throttled_by = NULL, throttled_since = NULL, updated_at = clock_timestamp()
       WHERE name = {1} AND claimant = {2} AND claim_number = {3}\
      """;

  private static final String READ =
      """
      SELECT name, state, claimant IS NOT NULL AND lease_until > clock_timestamp() AS running,
             rows_done, rows_walked, rows_estimated, chunks_done, chunk_rows, throttled_by,
             cast(extract(epoch FROM clock_timestamp() - throttled_since) * 1000 AS bigint)
               AS throttled_millis,
             extract(epoch FROM coalesce(finished_at, clock_timestamp()) - started_at)
               AS elapsed_seconds,
             work_seconds, started_at, updated_at
        FROM {0}
       WHERE name = {1}\
      """;

  private static final String CHANGE_STATE =
      """
      UPDATE {0} SET state = {2}, updated_at = clock_timestamp()
       WHERE name = {1} AND state IN ('ACTIVE', 'PAUSED') AND state <> {2}\
      """;

  private static final String RESTART_ENDED =
      """
      UPDATE {0}
         SET state = 'ACTIVE', position = NULL, rows_done = 0, chunks_done = 0, rows_walked = 0,
             work_seconds = 0, started_at = clock_timestamp(), finished_at = NULL,
             updated_at = clock_timestamp()
       WHERE name = {1} AND state IN ('CANCELLED', 'DONE')
         AND (claimant IS NULL OR lease_until <= clock_timestamp())\
      """;

  private static final String FORGET =
      """
      DELETE FROM {0}
       WHERE name = {1} AND (claimant IS NULL OR lease_until <= clock_timestamp())\
      """;

  private final Table<?> table;
  private final Field<String> name;

  JobSql(String schema, String name) {
    this.table = DSL.table(DSL.name(schema, "chunk_job"));
    this.name = val(name);
  }

  /** A job's row, as a chunk needs it. */
  record Locked(String state, @Nullable String position, int chunkRows) {}

  /** What a claim found. */
  record Claimed(String definition, String state) {}

  /**
   * What a try to claim found.
   *
   * @param running whether another runner has a live claim
   */
  record ClaimAttempt(Optional<Claimed> claimed, boolean running) {}

  /** What a renewal found. */
  record Renewed(String state, Duration throttledFor) {}

  /**
   * What a chunk leaves behind.
   *
   * @param position null when the walk is over
   */
  record Step(
      @Nullable String position,
      long rows,
      long walked,
      int nextRows,
      double seconds,
      boolean last) {}

  ClaimAttempt claim(
      DSLContext dsl, Fence fence, String definition, int chunkRows, Duration lease) {
    dsl.query(ADD_UNLESS_THERE, table, name, val(definition), val(chunkRows)).execute();
    Optional<Claimed> claimed =
        dsl.resultQuery(CLAIM, table, name, claimant(fence), number(fence), val(lease.toMillis()))
            .fetchOptional(row -> new Claimed(text(row, "definition"), text(row, "state")));
    boolean running = claimed.isEmpty() && read(dsl).map(JobControl.Status::running).orElse(false);
    return new ClaimAttempt(claimed, running);
  }

  void restart(DSLContext dsl, Fence fence, String definition) {
    dsl.query(RESTART, table, name, claimant(fence), number(fence), val(definition)).execute();
  }

  void saveEstimate(DSLContext dsl, Fence fence, long rows) {
    dsl.query(SAVE_ESTIMATE, table, name, claimant(fence), number(fence), val(rows)).execute();
  }

  /** The job's row, locked until the transaction ends; empty if somebody else has the claim. */
  Optional<Locked> lock(DSLContext dsl, Fence fence) {
    return dsl.resultQuery(LOCK, table, name, claimant(fence), number(fence))
        .fetchOptional(
            row ->
                new Locked(
                    text(row, "state"),
                    row.get("position", String.class),
                    row.get("chunk_rows", Integer.class)));
  }

  /** Whether the claim still held. */
  boolean save(DSLContext dsl, Fence fence, Step step, Duration lease) {
    return dsl.query(
                SAVE,
                table,
                name,
                claimant(fence),
                number(fence),
                val(step.position(), SQLDataType.CLOB),
                val(step.rows()),
                val(step.walked()),
                val(step.nextRows()),
                val(step.seconds()),
                val(step.last()),
                val(lease.toMillis()))
            .execute()
        == 1;
  }

  /** Empty if somebody else has the claim. */
  Optional<Renewed> renew(
      DSLContext dsl, Fence fence, Duration lease, @Nullable String throttledBy) {
    Field<String> reason = val(throttledBy, SQLDataType.CLOB).cast(SQLDataType.CLOB);
    return dsl.resultQuery(
            RENEW, table, name, claimant(fence), number(fence), val(lease.toMillis()), reason)
        .fetchOptional(
            row -> {
              Long millis = row.get("millis", Long.class);
              return new Renewed(
                  text(row, "state"), Duration.ofMillis(millis == null ? 0 : millis));
            });
  }

  void release(DSLContext dsl, Fence fence) {
    dsl.query(RELEASE, table, name, claimant(fence), number(fence)).execute();
  }

  Optional<JobControl.Status> read(DSLContext dsl) {
    return dsl.resultQuery(READ, table, name).fetchOptional(JobSql::status);
  }

  boolean changeState(DSLContext dsl, String state) {
    return dsl.query(CHANGE_STATE, table, name, val(state)).execute() == 1;
  }

  boolean restartEnded(DSLContext dsl) {
    return dsl.query(RESTART_ENDED, table, name).execute() == 1;
  }

  boolean forget(DSLContext dsl) {
    return dsl.query(FORGET, table, name).execute() == 1;
  }

  private static JobControl.Status status(Record row) {
    Long throttled = row.get("throttled_millis", Long.class);
    return new JobControl.Status(
        text(row, "name"),
        JobControl.State.valueOf(text(row, "state")),
        row.get("running", Boolean.class),
        row.get("rows_done", Long.class),
        row.get("rows_walked", Long.class),
        Optional.ofNullable(row.get("rows_estimated", Long.class)),
        row.get("chunks_done", Long.class),
        row.get("chunk_rows", Integer.class),
        Optional.ofNullable(row.get("throttled_by", String.class)),
        Optional.ofNullable(throttled).map(Duration::ofMillis),
        seconds(row.get("elapsed_seconds", Double.class)),
        seconds(row.get("work_seconds", Double.class)),
        row.get("started_at", Instant.class),
        row.get("updated_at", Instant.class));
  }

  private static Duration seconds(double seconds) {
    return Duration.ofNanos((long) (seconds * 1e9));
  }

  private static String text(Record row, String column) {
    return row.get(column, String.class);
  }

  private static Field<?> claimant(Fence fence) {
    return val(fence.claimant());
  }

  private static Field<?> number(Fence fence) {
    return val(fence.number());
  }
}

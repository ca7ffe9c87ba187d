package dev.pgbelay.jobqueue.deadletter;

import static org.jooq.impl.DSL.val;

import dev.pgbelay.core.internal.StoredHeaders;
import dev.pgbelay.jobqueue.internal.StoredTexts;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.List;
import java.util.Optional;
import org.jooq.DSLContext;
import org.jooq.Record;
import org.jooq.Table;
import org.jooq.impl.DSL;

/** The statements on dead letters. {@code {0}} is their table, {@code {1}} that of the jobs. */
class DeadLetterSql {
  private static final String LIST =
      """
      SELECT id, kind, queue, attempt, reason, failures, headers, enqueued_at, died_at
        FROM {0}
       WHERE kind = {2} AND id > {3}
       ORDER BY id
       LIMIT {4}\
      """;

  private static final String LIST_ALL =
      """
      SELECT id, kind, queue, attempt, reason, failures, headers, enqueued_at, died_at
        FROM {0}
       WHERE id > {2}
       ORDER BY id
       LIMIT {3}\
      """;

  /** At one moment, so that those of a partition key stand in the order of their ids. */
  private static final String ENQUEUE_GONE =
      """
      INSERT INTO {1} (id, place, enqueued_at, max_attempts, priority, state, run_at, key_slot,
                       queue, kind, deadline_ms, partition_key, tags, headers, failures, payload)
      SELECT id,
             CAST(extract(epoch FROM now.at) * 1000000 AS bigint)
               - 1000000 * CAST(priority AS bigint),
             enqueued_at, max_attempts, priority,
             CASE WHEN partition_key IS NULL THEN 'ready' ELSE 'arriving' END,
             CASE WHEN partition_key IS NOT NULL THEN CAST('infinity' AS timestamptz) END,
             CASE WHEN partition_key IS NOT NULL THEN -1 END, queue, kind,
             deadline_ms, partition_key, tags, headers, failures, payload
        FROM gone, now\
      """;

  private static final String REDRIVE =
      """
      WITH now AS MATERIALIZED (SELECT clock_timestamp() AS at),
      gone AS (DELETE FROM {0} WHERE id = {2} RETURNING *)
      """
          + ENQUEUE_GONE;

  private static final String REDRIVE_KIND =
      """
      WITH now AS MATERIALIZED (SELECT clock_timestamp() AS at),
      page AS MATERIALIZED (
        SELECT id FROM {0} WHERE kind = {2} ORDER BY id LIMIT {3} FOR UPDATE SKIP LOCKED),
      gone AS (DELETE FROM {0} WHERE id = ANY (ARRAY(SELECT id FROM page)) RETURNING *)
      """
          + ENQUEUE_GONE;

  private static final String READ_PAYLOAD = "SELECT payload FROM {0} WHERE id = {2}";

  private static final String READ_PAYLOAD_OF_KIND =
      "SELECT payload FROM {0} WHERE id = {2} AND kind = {3}";

  private static final String DELETE = "DELETE FROM {0} WHERE id = {2}";

  private final Table<?> dead;
  private final Table<?> job;

  DeadLetterSql(String schema) {
    this.dead = DSL.table(DSL.name(schema, "job_dead"));
    this.job = DSL.table(DSL.name(schema, "job"));
  }

  List<DeadLetter> list(DSLContext dsl, String kind, long after, int limit) {
    return dsl.resultQuery(LIST, dead, job, val(kind), val(after), val(limit))
        .fetch(DeadLetterSql::letter);
  }

  List<DeadLetter> listAll(DSLContext dsl, long after, int limit) {
    return dsl.resultQuery(LIST_ALL, dead, job, val(after), val(limit))
        .fetch(DeadLetterSql::letter);
  }

  Optional<byte[]> payload(DSLContext dsl, long id) {
    return unlogged(dsl)
        .resultQuery(READ_PAYLOAD, dead, job, val(id))
        .fetchOptional(DeadLetterSql::payload);
  }

  Optional<byte[]> payload(DSLContext dsl, String kind, long id) {
    return unlogged(dsl)
        .resultQuery(READ_PAYLOAD_OF_KIND, dead, job, val(id), val(kind))
        .fetchOptional(DeadLetterSql::payload);
  }

  /** jOOQ writes the rows that it has fetched into its log for debugging. */
  private static DSLContext unlogged(DSLContext dsl) {
    return DSL.using(
        dsl.configuration().deriveSettings(settings -> settings.withExecuteLogging(false)));
  }

  private static byte[] payload(Record row) {
    return row.get("payload", byte[].class);
  }

  int redrive(DSLContext dsl, long id) {
    return dsl.query(REDRIVE, dead, job, val(id)).execute();
  }

  int redriveKind(DSLContext dsl, String kind, int limit) {
    return dsl.query(REDRIVE_KIND, dead, job, val(kind), val(limit)).execute();
  }

  int delete(DSLContext dsl, long id) {
    return dsl.query(DELETE, dead, job, val(id)).execute();
  }

  private static DeadLetter letter(Record row) {
    return new DeadLetter(
        row.get("id", Long.class),
        row.get("kind", String.class),
        row.get("queue", String.class),
        row.get("attempt", Integer.class),
        row.get("reason", String.class),
        StoredTexts.failures(row, "failures"),
        StoredHeaders.read(StoredTexts.of(row, "headers")),
        instant(row, "enqueued_at"),
        instant(row, "died_at"));
  }

  private static Instant instant(Record row, String column) {
    return row.get(column, OffsetDateTime.class).toInstant();
  }
}

package dev.pgbelay.jobqueue;

import dev.pgbelay.core.internal.StoredHeaders;
import dev.pgbelay.jobqueue.internal.StoredTexts;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The statement that adds jobs with everything that a job can have. Those with a partition key get
 * no slot: whether their key is free is looked at after the commit, so that no transaction waits
 * for another. One of each key arrives, and is found by that look; those behind it are blocked at
 * once.
 */
class FullEnqueueSql {
  /**
   * Moments, delays in microseconds, of which each job has one or none. The clock is read once:
   * jobs of one statement that are due at once stand in the order of their ids.
   */
  private static final String ENQUEUE_FULL =
      """
      WITH ids AS MATERIALIZED (
        SELECT CAST(pg_get_serial_sequence(?, 'id') AS regclass) AS sequence),
      clock AS MATERIALIZED (SELECT clock_timestamp() AS now)
      INSERT INTO <job> (id, queue, kind, state, place, run_at, max_attempts, priority, deadline_ms,
                         partition_key, key_slot, tags, headers, payload)
      SELECT coalesce(given.id, nextval((SELECT ids.sequence FROM ids))),
             given.queue, given.kind,
             CASE WHEN due.at > due.now THEN 'scheduled'
                  WHEN given.partition_key IS NULL THEN 'ready'
                  WHEN given.follows THEN 'blocked'
                  ELSE 'arriving' END,
             CAST(extract(epoch FROM due.at) * 1000000 AS bigint)
               - 1000000 * CAST(given.priority AS bigint),
             CASE WHEN due.at > due.now THEN due.at
                  WHEN given.partition_key IS NOT NULL THEN 'infinity' END,
             given.max_attempts, given.priority, given.deadline_ms, given.partition_key,
             CASE WHEN due.at <= due.now AND given.partition_key IS NOT NULL
                  THEN CASE WHEN given.follows THEN 0 ELSE -1 END END,
             CAST(given.tags AS text[]), CAST(given.headers AS text[]), given.payload
        FROM unnest(CAST(? AS bigint[]), CAST(? AS text[]), CAST(? AS text[]), CAST(? AS bigint[]),
                    CAST(? AS bigint[]), CAST(? AS integer[]), CAST(? AS integer[]),
                    CAST(? AS integer[]), CAST(? AS text[]), CAST(? AS text[]), CAST(? AS text[]),
                    CAST(? AS boolean[]), CAST(? AS bytea[]))
               AS given(id, queue, kind, moment, delay, priority, max_attempts, deadline_ms,
                        partition_key, tags, headers, follows, payload)
             CROSS JOIN clock
             CROSS JOIN LATERAL (
               SELECT clock.now,
                      CASE WHEN given.moment IS NOT NULL
                           THEN to_timestamp(0) + given.moment * interval '1 microsecond'
                           ELSE clock.now + given.delay * interval '1 microsecond' END AS at) AS due
      RETURNING id\
      """;

  private final String enqueueFull;
  private final String jobTable;

  FullEnqueueSql(String schema) {
    TablesSql tables = new TablesSql(schema);
    this.enqueueFull = tables.fill(ENQUEUE_FULL);
    this.jobTable = tables.fill("<job>");
  }

  /**
   * Adds jobs.
   *
   * @param given ids that were drawn before, or null
   * @return the ids, in the order of the jobs
   */
  long[] enqueue(
      Connection connection,
      List<? extends NewJob<?>> jobs,
      List<byte[]> payloads,
      List<@Nullable Long> given)
      throws SQLException {
    int count = jobs.size();
    @Nullable Object[][] columns = new @Nullable Object[12][count];
    Set<List<String>> keys = new HashSet<>();
    for (int i = 0; i < count; i++) {
      NewJob<?> job = jobs.get(i);
      columns[0][i] = given.get(i);
      columns[1][i] = job.queue();
      columns[2][i] = job.kind().name();
      columns[3][i] =
          job.runAt().map(at -> ChronoUnit.MICROS.between(Instant.EPOCH, at)).orElse(null);
      columns[4][i] = job.delay().toNanos() / 1_000;
      columns[5][i] = (int) job.priority().toSeconds();
      columns[6][i] = job.maxAttempts();
      columns[7][i] = job.deadline().map(time -> (int) time.toMillis()).orElse(null);
      columns[8][i] = job.partitionKey().orElse(null);
      columns[9][i] = StoredTexts.write(job.tags());
      columns[10][i] = StoredHeaders.write(job.headers());
      columns[11][i] = follows(job, keys);
    }
    String[] types = {
      "bigint", "text", "text", "bigint", "bigint", "integer", "integer", "integer", "text", "text",
      "text", "boolean"
    };
    try (PreparedStatement insert = connection.prepareStatement(enqueueFull)) {
      insert.setString(1, jobTable);
      for (int i = 0; i < types.length; i++) {
        insert.setArray(i + 2, connection.createArrayOf(types[i], columns[i]));
      }
      insert.setArray(
          types.length + 2, connection.createArrayOf("bytea", payloads.toArray(new byte[0][])));
      return inOrder(insert, given);
    }
  }

  /**
   * Whether a job of the same key stands before it in the statement: that one is looked at when it
   * has arrived, for all of them.
   */
  private static boolean follows(NewJob<?> job, Set<List<String>> keys) {
    return job.partitionKey().isPresent()
        && job.runAt().isEmpty()
        && job.delay().isZero()
        && !keys.add(List.of(job.queue(), job.partitionKey().get()));
  }

  /** Ids that are drawn row by row ascend in the order of the arrays. */
  private static long[] inOrder(PreparedStatement insert, List<@Nullable Long> given)
      throws SQLException {
    Set<@Nullable Long> known = new HashSet<>(given);
    long[] drawn = new long[given.size()];
    int count = 0;
    try (ResultSet row = insert.executeQuery()) {
      while (row.next()) {
        long id = row.getLong(1);
        if (!known.contains(id)) {
          drawn[count++] = id;
        }
      }
    }
    Arrays.sort(drawn, 0, count);
    long[] ids = new long[given.size()];
    int next = 0;
    for (int i = 0; i < ids.length; i++) {
      Long id = given.get(i);
      ids[i] = id == null ? drawn[next++] : id;
    }
    return ids;
  }
}

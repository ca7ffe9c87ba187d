package dev.pgbelay.jobqueue;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.internal.StoredHeaders;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Types;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The statements that add jobs without keys, tags or deadlines. A place is the microsecond in which
 * a job falls due, less its priority. Ids are drawn row by row as the rows of the arrays come, so
 * in the order of the arrays they ascend.
 */
class EnqueueSql {
  private static final String ENQUEUE_NOW =
      """
      INSERT INTO <job> (queue, kind, state, place, max_attempts, priority, headers, payload)
      VALUES (?, ?, 'ready',
              CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint) - 1000000 * CAST(? AS bigint),
              ?, ?, CAST(? AS text[]), ?)
      RETURNING id\
      """;

  /** The clock is read once: jobs of one statement stand in the order of their ids. */
  private static final String ENQUEUE_LIKE =
      """
      WITH clock AS MATERIALIZED (SELECT clock_timestamp() AS now),
      added AS (
        INSERT INTO <job> (queue, kind, state, place, enqueued_at, max_attempts, priority, headers,
                           payload)
        SELECT ?, ?, 'ready',
               (SELECT CAST(extract(epoch FROM now) * 1000000 AS bigint)
                         - 1000000 * CAST(? AS bigint)
                  FROM clock),
               (SELECT now FROM clock),
               CAST(? AS integer), CAST(? AS integer), CAST(? AS text[]), given.payload
          FROM unnest(CAST(? AS bytea[])) AS given(payload)
        RETURNING id)
      SELECT array_agg(added.id) FROM added\
      """;

  /** Moments and delays in microseconds, of which each job has one or none. */
  private static final String ENQUEUE_EACH =
      """
      WITH clock AS MATERIALIZED (SELECT clock_timestamp() AS now),
      micros AS MATERIALIZED (
        SELECT CAST(extract(epoch FROM now) * 1000000 AS bigint) AS now FROM clock),
      added AS (
        INSERT INTO <job> (queue, kind, state, place, run_at, enqueued_at, max_attempts, priority,
                           headers, payload)
        SELECT given.queue, given.kind,
               CASE WHEN due.at > (SELECT now FROM micros) THEN 'scheduled' ELSE 'ready' END,
               due.at - 1000000 * CAST(given.priority AS bigint),
               CASE WHEN due.at > (SELECT now FROM micros)
                    THEN to_timestamp(0) + due.at * interval '1 microsecond' END,
               (SELECT now FROM clock),
               given.max_attempts, given.priority, CAST(given.headers AS text[]), given.payload
          FROM unnest(CAST(? AS text[]), CAST(? AS text[]), CAST(? AS bigint[]),
                      CAST(? AS bigint[]), CAST(? AS integer[]), CAST(? AS integer[]),
                      CAST(? AS text[]), CAST(? AS bytea[]))
                 AS given(queue, kind, moment, delay, priority, max_attempts, headers, payload)
               CROSS JOIN LATERAL (
                 SELECT coalesce(given.moment, (SELECT now FROM micros) + given.delay) AS at) AS due
        RETURNING id)
      SELECT array_agg(added.id) FROM added\
      """;

  private final String enqueueNow;
  private final String enqueueLike;
  private final String enqueueEach;

  EnqueueSql(String schema) {
    TablesSql tables = new TablesSql(schema);
    this.enqueueNow = tables.fill(ENQUEUE_NOW);
    this.enqueueLike = tables.fill(ENQUEUE_LIKE);
    this.enqueueEach = tables.fill(ENQUEUE_EACH);
  }

  /** One that is due at once. */
  long enqueueNow(Connection connection, NewJob<?> job, byte[] payload) throws SQLException {
    try (PreparedStatement insert = connection.prepareStatement(enqueueNow)) {
      bind(insert, job, payload);
      insert.execute();
      return id(insert);
    }
  }

  /** The same in one round trip, in a transaction of its own. */
  long enqueueAlone(Transactions transactions, TxOptions options, NewJob<?> job, byte[] payload)
      throws SQLException {
    return transactions.runStatement(
        options, enqueueNow, insert -> bind(insert, job, payload), EnqueueSql::id);
  }

  /** Binds queue, kind, head start, most attempts, head start, headers, payload: 1 to 7. */
  static void bind(PreparedStatement insert, NewJob<?> job, byte[] payload) throws SQLException {
    bindAllButPayload(insert, job);
    insert.setBytes(7, payload);
  }

  private static void bindAllButPayload(PreparedStatement insert, NewJob<?> job)
      throws SQLException {
    insert.setString(1, job.queue());
    insert.setString(2, job.kind().name());
    insert.setLong(3, job.priority().toSeconds());
    insert.setInt(4, job.maxAttempts());
    insert.setInt(5, (int) job.priority().toSeconds());
    String headers = StoredHeaders.write(job.headers());
    if (headers == null) {
      insert.setNull(6, Types.VARCHAR);
    } else {
      insert.setString(6, headers);
    }
  }

  private static long id(PreparedStatement inserted) throws SQLException {
    try (ResultSet row = inserted.getResultSet()) {
      row.next();
      return row.getLong(1);
    }
  }

  /** Several that differ in their payload only and are due at once. */
  long[] enqueueLike(Connection connection, NewJob<?> like, byte[][] payloads) throws SQLException {
    try (PreparedStatement insert = connection.prepareStatement(enqueueLike)) {
      bindAllButPayload(insert, like);
      insert.setArray(7, connection.createArrayOf("bytea", payloads));
      return ids(insert);
    }
  }

  /** Several of any sort. */
  long[] enqueueEach(Connection connection, List<? extends NewJob<?>> jobs, byte[][] payloads)
      throws SQLException {
    int count = jobs.size();
    String[] queues = new String[count];
    String[] kinds = new String[count];
    @Nullable Long[] moments = new Long[count];
    Long[] delays = new Long[count];
    Integer[] priorities = new Integer[count];
    Integer[] attempts = new Integer[count];
    @Nullable String[] headers = new String[count];
    for (int i = 0; i < count; i++) {
      NewJob<?> job = jobs.get(i);
      queues[i] = job.queue();
      kinds[i] = job.kind().name();
      moments[i] = job.runAt().map(at -> ChronoUnit.MICROS.between(Instant.EPOCH, at)).orElse(null);
      delays[i] = job.delay().toNanos() / 1_000;
      priorities[i] = (int) job.priority().toSeconds();
      attempts[i] = job.maxAttempts();
      headers[i] = StoredHeaders.write(job.headers());
    }
    try (PreparedStatement insert = connection.prepareStatement(enqueueEach)) {
      insert.setArray(1, connection.createArrayOf("text", queues));
      insert.setArray(2, connection.createArrayOf("text", kinds));
      insert.setArray(3, connection.createArrayOf("bigint", moments));
      insert.setArray(4, connection.createArrayOf("bigint", delays));
      insert.setArray(5, connection.createArrayOf("integer", priorities));
      insert.setArray(6, connection.createArrayOf("integer", attempts));
      insert.setArray(7, connection.createArrayOf("text", headers));
      insert.setArray(8, connection.createArrayOf("bytea", payloads));
      return ids(insert);
    }
  }

  /** They come as one array: a row for each costs the client nearly as much as the job did. */
  static long[] ids(PreparedStatement insert) throws SQLException {
    try (ResultSet row = insert.executeQuery()) {
      row.next();
      long[] ids =
          Arrays.stream((Long[]) row.getArray(1).getArray()).mapToLong(Long::longValue).toArray();
      Arrays.sort(ids);
      return ids;
    }
  }
}

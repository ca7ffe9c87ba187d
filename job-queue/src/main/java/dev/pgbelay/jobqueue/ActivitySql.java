package dev.pgbelay.jobqueue;

import dev.pgbelay.jobqueue.Activity.Entry;
import dev.pgbelay.jobqueue.Activity.Times;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** Writes when something was done last. */
class ActivitySql {
  /**
   * Binds queues, kinds, and four arrays of ages in microseconds. In the order of the key, so that
   * processes that write the same rows do not wait for each other in a circle.
   */
  private static final String WRITE =
      """
      INSERT INTO <activity> AS a (queue, kind, claimed_at, finished_at, succeeded_at, failed_at)
      SELECT given.queue, given.kind,
             clock_timestamp() - given.claimed * interval '1 microsecond',
             clock_timestamp() - given.finished * interval '1 microsecond',
             clock_timestamp() - given.succeeded * interval '1 microsecond',
             clock_timestamp() - given.failed * interval '1 microsecond'
        FROM unnest(CAST(? AS text[]), CAST(? AS text[]), CAST(? AS bigint[]), CAST(? AS bigint[]),
                    CAST(? AS bigint[]), CAST(? AS bigint[]))
               AS given(queue, kind, claimed, finished, succeeded, failed)
       ORDER BY given.queue, given.kind
      ON CONFLICT (queue, kind) DO UPDATE
         SET claimed_at = greatest(a.claimed_at, excluded.claimed_at),
             finished_at = greatest(a.finished_at, excluded.finished_at),
             succeeded_at = greatest(a.succeeded_at, excluded.succeeded_at),
             failed_at = greatest(a.failed_at, excluded.failed_at)\
      """;

  private final String write;

  ActivitySql(String schema) {
    this.write = new TablesSql(schema).fill(WRITE);
  }

  void write(Connection connection, List<Entry> entries) throws SQLException {
    long now = System.nanoTime();
    try (PreparedStatement insert = connection.prepareStatement(write)) {
      insert.setArray(
          1,
          connection.createArrayOf(
              "text", entries.stream().map(entry -> entry.key().queue()).toArray()));
      insert.setArray(
          2,
          connection.createArrayOf(
              "text", entries.stream().map(entry -> entry.key().kind()).toArray()));
      bindAges(connection, insert, 3, entries, now, Times::claimed);
      bindAges(connection, insert, 4, entries, now, Times::finished);
      bindAges(connection, insert, 5, entries, now, Times::succeeded);
      bindAges(connection, insert, 6, entries, now, Times::failed);
      insert.executeUpdate();
    }
  }

  private static void bindAges(
      Connection connection,
      PreparedStatement insert,
      int index,
      List<Entry> entries,
      long now,
      Function<Times, @Nullable Long> moment)
      throws SQLException {
    @Nullable Object[] ages = new @Nullable Object[entries.size()];
    for (int i = 0; i < ages.length; i++) {
      Long at = moment.apply(entries.get(i).times());
      ages[i] = at == null ? null : (now - at) / 1_000;
    }
    insert.setArray(index, connection.createArrayOf("bigint", ages));
  }
}

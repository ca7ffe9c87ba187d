package dev.pgbelay.reconcile.internal;

import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.jooq.DSLContext;
import org.jooq.Record;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jspecify.annotations.Nullable;

/** Counts captured deletes, as many of each reference as asked for, by one statement. */
public final class BacklogSql {
  /**
   * {0} captured deletes, {1} how many are counted, and one more. References are gone through by
   * their index, so that one with very many hides no other.
   */
  private static final String READ =
      """
      WITH RECURSIVE captured(reference) AS (
        SELECT min(reference) FROM {0}
        UNION ALL
        SELECT (SELECT min(d.reference) FROM {0} AS d WHERE d.reference > captured.reference)
          FROM captured WHERE captured.reference IS NOT NULL)
      SELECT captured.reference, waiting.n AS waiting, held.n AS held,
             cast(extract(epoch FROM clock_timestamp() - first_waiting.captured_at) * 1000 AS bigint)
               AS oldest_waiting,
             cast(extract(epoch FROM clock_timestamp() - first_held.captured_at) * 1000 AS bigint)
               AS oldest_held
        FROM captured
        CROSS JOIN LATERAL (
          SELECT count(*) AS n
            FROM (SELECT FROM {0} AS d
                   WHERE d.reference = captured.reference AND d.held_because IS NULL
                   LIMIT {1}) AS d) AS waiting
        CROSS JOIN LATERAL (
          SELECT count(*) AS n
            FROM (SELECT FROM {0} AS d
                   WHERE d.reference = captured.reference AND d.held_because IS NOT NULL
                   LIMIT {1}) AS d) AS held
        LEFT JOIN LATERAL (
          SELECT d.captured_at FROM {0} AS d
           WHERE d.reference = captured.reference AND d.held_because IS NULL
           ORDER BY d.captured_at LIMIT 1) AS first_waiting ON true
        LEFT JOIN LATERAL (
          SELECT d.captured_at FROM {0} AS d
           WHERE d.reference = captured.reference AND d.held_because IS NOT NULL
           ORDER BY d.captured_at LIMIT 1) AS first_held ON true
       WHERE captured.reference IS NOT NULL
       ORDER BY captured.reference\
      """;

  private BacklogSql() {}

  /**
   * Captured deletes of one reference.
   *
   * @param waiting those that a worker goes on with by itself
   * @param held those that wait for somebody
   * @param moreWaiting whether there are more than were counted
   * @param moreHeld the same of those that are held
   */
  public record Backlog(
      String reference,
      int waiting,
      int held,
      boolean moreWaiting,
      boolean moreHeld,
      Optional<Duration> oldestWaiting,
      Optional<Duration> oldestHeld) {}

  /**
   * Of every reference that has some, declared or not.
   *
   * @param schema of the library's tables
   * @param most how many are counted of each
   */
  public static List<Backlog> read(DSLContext dsl, String schema, int most) {
    Table<?> deleted = DSL.table(DSL.name(schema, "reconcile_deleted"));
    return dsl.resultQuery(READ, deleted, DSL.inline(most + 1))
        .fetch(
            row -> {
              int waiting = row.get("waiting", Integer.class);
              int held = row.get("held", Integer.class);
              return new Backlog(
                  row.get("reference", String.class),
                  Math.min(waiting, most),
                  Math.min(held, most),
                  waiting > most,
                  held > most,
                  millis(row, "oldest_waiting"),
                  millis(row, "oldest_held"));
            });
  }

  private static Optional<Duration> millis(Record row, String column) {
    @Nullable Long millis = row.get(column, Long.class);
    return Optional.ofNullable(millis).map(is -> Duration.ofMillis(Math.max(0, is)));
  }
}

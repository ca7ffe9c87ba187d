package dev.pgbelay.reconcile.health;

import static org.jooq.impl.DSL.val;

import dev.pgbelay.reconcile.internal.BacklogSql;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.jooq.DSLContext;
import org.jooq.Record;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jspecify.annotations.Nullable;

/** The statements of the monitor. Each reads a bounded number of findings and deletes. */
final class HealthSql {
  /** {0} runs, {1} findings, {2} names of declarations, {3} the limit of each. */
  private static final String READ_DECLARATIONS =
      """
      SELECT d.name,
             cast(extract(epoch FROM clock_timestamp() - whole.finished_at) * 1000 AS bigint) AS success,
             cast(extract(epoch FROM clock_timestamp() - entire.started_at) * 1000 AS bigint) AS entire,
             cast(extract(epoch FROM clock_timestamp() - first.started_at) * 1000 AS bigint) AS first,
             cast(extract(epoch FROM whole.finished_at - whole.started_at) * 1000 AS bigint) AS took,
             coalesce(whole.rows_checked, 0) AS rows_checked,
             CASE WHEN latest.outcome = 'INCOMPLETE' THEN coalesce(latest.reason, '') END AS incomplete,
             found.confirmed, found.oldest, seen.candidates
        FROM unnest(cast({2} AS text[])) WITH ORDINALITY AS d(name, place)
        LEFT JOIN LATERAL (
          SELECT r.started_at, r.finished_at, r.rows_checked FROM {0} AS r
           WHERE r.declaration = d.name AND r.outcome IN ('CLEAN', 'FINDINGS')
           ORDER BY r.started_at DESC LIMIT 1) AS whole ON true
        LEFT JOIN LATERAL (
          SELECT r.started_at FROM {0} AS r
           WHERE r.declaration = d.name AND r.outcome IN ('CLEAN', 'FINDINGS') AND r.mode = 'FULL'
           ORDER BY r.started_at DESC LIMIT 1) AS entire ON true
        LEFT JOIN LATERAL (
          SELECT r.started_at FROM {0} AS r WHERE r.declaration = d.name
           ORDER BY r.started_at LIMIT 1) AS first ON true
        LEFT JOIN LATERAL (
          SELECT r.outcome, r.reason FROM {0} AS r
           WHERE r.declaration = d.name AND r.outcome IS NOT NULL
           ORDER BY r.started_at DESC LIMIT 1) AS latest ON true
        CROSS JOIN LATERAL (
          SELECT count(*) AS confirmed,
                 cast(extract(epoch FROM clock_timestamp() - min(f.first_seen)) * 1000 AS bigint) AS oldest
            FROM (SELECT f.first_seen FROM {1} AS f
                   WHERE f.declaration = d.name AND f.state = 'CONFIRMED'
                   LIMIT {3}) AS f) AS found
        CROSS JOIN LATERAL (
          SELECT count(*) AS candidates
            FROM (SELECT FROM {1} AS f
                   WHERE f.declaration = d.name AND f.state = 'CANDIDATE'
                   LIMIT {3}) AS f) AS seen
       ORDER BY d.place\
      """;

  private final Table<?> runs;
  private final Table<?> findings;
  private final String schema;

  HealthSql(String schema) {
    this.runs = DSL.table(DSL.name(schema, "reconcile_run"));
    this.findings = DSL.table(DSL.name(schema, "reconcile_finding"));
    this.schema = schema;
  }

  List<DeclarationFigures> declarations(DSLContext dsl, List<String> names, int countUpTo) {
    return dsl.resultQuery(
            READ_DECLARATIONS,
            runs,
            findings,
            val(names.toArray(String[]::new)),
            DSL.inline(countUpTo))
        .fetch(HealthSql::declaration);
  }

  List<DeleteFigures> deletes(DSLContext dsl, int countUpTo) {
    return BacklogSql.read(dsl, schema, countUpTo).stream()
        .map(
            each ->
                new DeleteFigures(
                    each.reference(),
                    each.waiting(),
                    each.held(),
                    each.moreWaiting(),
                    each.moreHeld(),
                    each.oldestWaiting(),
                    each.oldestHeld()))
        .toList();
  }

  private static DeclarationFigures declaration(Record row) {
    return new DeclarationFigures(
        row.get("name", String.class),
        millis(row, "success"),
        millis(row, "entire"),
        millis(row, "first"),
        millis(row, "took"),
        row.get("rows_checked", Long.class),
        Optional.ofNullable(row.get("incomplete", String.class)),
        row.get("confirmed", Integer.class),
        millis(row, "oldest"),
        row.get("candidates", Integer.class));
  }

  private static Optional<Duration> millis(Record row, String column) {
    @Nullable Long millis = row.get(column, Long.class);
    return Optional.ofNullable(millis).map(is -> Duration.ofMillis(Math.max(0, is)));
  }
}

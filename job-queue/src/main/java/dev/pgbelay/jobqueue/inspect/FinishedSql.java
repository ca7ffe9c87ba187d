package dev.pgbelay.jobqueue.inspect;

import static org.jooq.impl.DSL.val;

import dev.pgbelay.core.PgBelayException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jooq.DSLContext;
import org.jooq.Record;
import org.jooq.SQLDialect;
import org.jooq.Table;
import org.jooq.impl.DSL;

/**
 * The statement that pages through the records of finished jobs.
 *
 * <p>They have no index by time, and need none: a day's records are written one behind the other
 * and go all at once, so where a record stands says when it came, and a page is a few blocks.
 */
final class FinishedSql {
  /** So many blocks a page reads: 10,000 records, if all of them are short. */
  static final int BLOCKS = 100;

  /**
   * {0} finished jobs, {1} their table's name, {2} those kept for longer, {3} that table's name;
   * {4} the day where to go on, {5} in front of which record, {6} which is in this block; {7}
   * blocks to read, {8} queue, {9} kind, {10} outcome, {11} tag, {12} limit. Those kept for longer
   * count as a day before all others. OFFSET 0 lets each day read its own blocks.
   */
  private static final String LIST =
      """
      WITH today AS MATERIALIZED (
        SELECT CAST(floor(extract(epoch FROM clock_timestamp()) / 86400) AS integer) AS day),
      parts AS MATERIALIZED (
        SELECT today.day - (today.day - s.slot) % 32 AS day, s.slot, s.blocks
          FROM today, (
               SELECT CAST(right(c.relname, 2) AS integer) AS slot,
                      pg_catalog.pg_relation_size(c.oid)
                        / CAST(current_setting('block_size') AS bigint) AS blocks
                 FROM pg_catalog.pg_inherits AS i
                      JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid
                WHERE i.inhparent = CAST({1} AS regclass)) AS s
        UNION ALL
        SELECT 0, -1, pg_catalog.pg_relation_size(CAST({3} AS regclass))
                        / CAST(current_setting('block_size') AS bigint)),
      ahead AS MATERIALIZED (
        SELECT p.day, p.slot,
               CASE WHEN p.day = {4} THEN CAST({5} AS tid)
                    ELSE CAST(format('(%s,0)', p.blocks) AS tid) END AS until,
               CASE WHEN p.day = {4} THEN least({6}, p.blocks) ELSE p.blocks END AS blocks
          FROM parts AS p
         WHERE p.day <= {4} AND p.blocks > 0),
      summed AS MATERIALIZED (
        SELECT a.*, sum(a.blocks) OVER (ORDER BY a.day DESC) - a.blocks AS later FROM ahead AS a),
      windows AS MATERIALIZED (
        SELECT s.day, s.slot, s.until,
               CAST(format('(%s,0)', greatest(0, s.blocks - ({7} - s.later))) AS tid) AS start
          FROM summed AS s
         WHERE s.later < {7}),
      page AS MATERIALIZED (
        SELECT w.day, f.*
          FROM windows AS w
               CROSS JOIN LATERAL (
                 SELECT f.ctid AS at, f.id, f.kind, f.queue, f.outcome, f.attempt, f.finished_at,
                        f.reason, f.tags
                   FROM {0} AS f
                  WHERE (f.finished_day % 32) = w.slot AND f.ctid >= w.start AND f.ctid < w.until
                 UNION ALL
                 SELECT f.ctid, f.id, f.kind, f.queue, f.outcome, f.attempt, f.finished_at, f.reason,
                        f.tags
                   FROM {2} AS f
                  WHERE w.slot = -1 AND f.ctid >= w.start AND f.ctid < w.until
                 OFFSET 0) AS f
         WHERE ({8} IS NULL OR f.queue = {8}) AND ({9} IS NULL OR f.kind = {9})
           AND ({10} IS NULL OR f.outcome = {10}) AND ({11} IS NULL OR {11} = ANY (f.tags))
         ORDER BY w.day DESC, f.at DESC
         LIMIT {12})
      SELECT (SELECT w.day || ':' || w.start FROM windows AS w ORDER BY w.day LIMIT 1) AS read_to,
             (SELECT coalesce(sum(s.blocks), 0) FROM summed AS s) > {7} AS more,
             p.day || ':' || p.at AS spot, p.id, p.kind, p.queue, upper(p.outcome) AS state,
             p.attempt, CAST(NULL AS integer) AS max_attempts,
             CAST(NULL AS timestamptz) AS enqueued_at, CAST(NULL AS timestamptz) AS run_at,
             p.finished_at AS ended_at, p.reason, CAST(NULL AS text[]) AS failures,
             CAST(NULL AS text[]) AS headers, p.tags
        FROM (SELECT) AS once LEFT JOIN page AS p ON true
       ORDER BY p.day DESC, p.at DESC\
      """;

  private static final Pattern CURSOR =
      Pattern.compile("([0-9]{1,6}):(\\(([0-9]{1,9}),[0-9]{1,5}\\))");
  private static final String NEWEST = "999999:(0,0)";

  private final Table<?> finished;
  private final Table<?> kept;

  FinishedSql(String schema) {
    this.finished = DSL.table(DSL.name(schema, "job_finished"));
    this.kept = DSL.table(DSL.name(schema, "job_finished_kept"));
  }

  private static String rendered(Table<?> table) {
    return DSL.using(SQLDialect.POSTGRES).render(table);
  }

  JobPage<JobInfo> list(DSLContext dsl, JobFilter filter, Optional<String> after, int limit) {
    Matcher cursor = CURSOR.matcher(after.orElse(NEWEST));
    if (!cursor.matches()) {
      throw new PgBelayException(
          "after is '" + after.orElseThrow() + "': give what JobPage.next said");
    }
    List<JobInfo> jobs = new ArrayList<>();
    Optional<String> next = Optional.empty();
    for (Record row :
        dsl.resultQuery(
                LIST,
                finished,
                val(rendered(finished)),
                kept,
                val(rendered(kept)),
                val(Integer.valueOf(cursor.group(1))),
                val(cursor.group(2)),
                val(Long.valueOf(cursor.group(3)) + 1),
                val(BLOCKS),
                InspectSql.text(filter.queue()),
                InspectSql.text(filter.kind()),
                InspectSql.text(filter.state().map(JobState::column)),
                InspectSql.text(filter.tag()),
                val(limit))
            .fetch()) {
      if (row.get("id") != null) {
        jobs.add(InspectSql.info(row));
      }
      if (jobs.size() == limit) {
        next = Optional.of(row.get("spot", String.class));
      } else if (row.get("more", Boolean.class)) {
        next = Optional.of(row.get("read_to", String.class));
      }
    }
    return new JobPage<>(jobs, next);
  }
}

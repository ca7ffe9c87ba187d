package dev.pgbelay.reconcile.check;

import static org.jooq.impl.DSL.val;

import dev.pgbelay.reconcile.Declaration;
import dev.pgbelay.reconcile.internal.FindingRow;
import dev.pgbelay.reconcile.internal.KeyRowsSql;
import dev.pgbelay.reconcile.internal.Probe;
import dev.pgbelay.reconcile.internal.Probe.Tally;
import dev.pgbelay.reconcile.internal.ProbeSql;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import org.jooq.Condition;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.JSONB;
import org.jooq.Record;
import org.jooq.Record2;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;
import org.jspecify.annotations.Nullable;

/** The statements on the table of findings, {@code {0}}, of one declaration, {@code {1}}. */
final class FindingSql {
  /** {0}: the probe of the range, {1}: how many candidates are wanted at most */
  private static final String SCAN =
      """
      SELECT count(*) FILTER (WHERE pgbelay_scope) AS checked,
             count(*) FILTER (WHERE NOT pgbelay_scope) AS skipped,
             count(*) FILTER (WHERE pgbelay_scope AND pgbelay_wrong) AS wrong,
             to_jsonb((array_agg(jsonb_build_array(pgbelay_key, pgbelay_evidence))
                         FILTER (WHERE pgbelay_scope AND pgbelay_wrong))[1:{1}]) AS kept
        FROM ({0}) AS probed\
      """;

  /** {0}: key and evidence of what is wrong, {1}: as above */
  private static final String COLLECT =
      """
      SELECT count(*) AS wrong,
             to_jsonb((array_agg(jsonb_build_array(pgbelay_key, pgbelay_evidence)))[1:{1}]) AS kept
        FROM ({0}) AS probed\
      """;

  /** {2}: pairs of key and evidence, {3}: whether other evidence is another candidate */
  private static final String KEEP =
      """
      INSERT INTO {0} AS f (declaration, row_key, state, evidence)
      SELECT {1}, pair -> 0, 'CANDIDATE', pair -> 1
        FROM jsonb_array_elements(cast({2} AS jsonb)) AS c(pair)
       ORDER BY pair -> 0
      ON CONFLICT (declaration, row_key) DO UPDATE
         SET state = CASE WHEN f.state IN ('REPAIRED', 'RESOLVED') OR ({3} AND f.evidence <> excluded.evidence)
                          THEN 'CANDIDATE' ELSE f.state END,
             evidence = excluded.evidence,
             evidence_since = CASE WHEN f.state IN ('REPAIRED', 'RESOLVED') OR ({3} AND f.evidence <> excluded.evidence)
                                   THEN clock_timestamp() ELSE f.evidence_since END,
             last_seen = clock_timestamp(),
             closed_at = NULL,
             reopened = f.reopened + CASE WHEN f.closed_at IS NULL THEN 0 ELSE 1 END\
      """;

  /**
   * Everything asked is seen, and what is wrong chosen after: a planner that expects few wrong rows
   * would compare each with each. {2}: the key after which to go on, {3}: how many, {4}: the probe
   * of these keys, {5}: whether other evidence is another candidate, {6}: whether anything may be
   * confirmed, {7}: what was seen after that is too young, {8}: the grace
   */
  private static final String ASK_AGAIN =
      """
      WITH asked AS MATERIALIZED (
        SELECT row_key, state, evidence FROM {0}
         WHERE declaration = {1} AND state IN ('CANDIDATE', 'CONFIRMED')
           AND ({2} IS NULL OR row_key > {2})
         ORDER BY row_key LIMIT {3}),
      seen AS MATERIALIZED (
        SELECT pgbelay_key AS key, pgbelay_evidence AS evidence, pgbelay_scope AND pgbelay_wrong AS is_wrong
          FROM ({4}) AS probed),
      judged AS MATERIALIZED (
        SELECT asked.row_key, asked.state AS old_state, asked.evidence AS old_evidence, seen.evidence,
               seen.key IS NULL AS gone, {5} AND seen.evidence <> asked.evidence AS changed
          FROM asked LEFT JOIN seen ON seen.key = asked.row_key AND seen.is_wrong),
      told AS (
        UPDATE {0} AS f
           SET state = CASE WHEN gone THEN 'RESOLVED'
                            WHEN changed THEN 'CANDIDATE'
                            WHEN {6} AND evidence_since <= {7}
                                 AND evidence_since <= clock_timestamp() - {8} * interval '1 millisecond'
                            THEN 'CONFIRMED' ELSE f.state END,
               evidence = coalesce(j.evidence, f.evidence),
               evidence_since = CASE WHEN changed THEN clock_timestamp() ELSE evidence_since END,
               last_seen = CASE WHEN gone THEN last_seen ELSE clock_timestamp() END,
               confirmed_at = CASE WHEN confirmed_at IS NULL AND NOT gone AND NOT changed
                                        AND {6} AND evidence_since <= {7}
                                        AND evidence_since <= clock_timestamp() - {8} * interval '1 millisecond'
                                   THEN clock_timestamp() ELSE confirmed_at END,
               closed_at = CASE WHEN gone THEN clock_timestamp() END
          FROM judged AS j
         WHERE f.declaration = {1} AND f.row_key = j.row_key
           AND f.state = j.old_state AND f.evidence = j.old_evidence
        RETURNING f.state, j.old_state)
      SELECT (SELECT row_key FROM asked ORDER BY row_key OFFSET {3} - 1 LIMIT 1) AS last_key,
             count(*) FILTER (WHERE state = 'CONFIRMED' AND old_state = 'CANDIDATE') AS confirmed,
             count(*) FILTER (WHERE state = 'RESOLVED' AND old_state = 'CONFIRMED') AS resolved
        FROM told\
      """;

  /** What was never confirmed was never a finding. */
  private static final String FORGET_CANDIDATES_THAT_ARE_GONE =
      """
      DELETE FROM {0} WHERE declaration = {1} AND state = 'RESOLVED' AND confirmed_at IS NULL\
      """;

  private static final String COUNT_OPEN =
      """
      SELECT count(*) FILTER (WHERE state = 'CANDIDATE') AS candidates,
             count(*) FILTER (WHERE state = 'CONFIRMED') AS confirmed,
             cast(extract(epoch FROM clock_timestamp()
                    - max(evidence_since) FILTER (WHERE state = 'CANDIDATE')) * 1000 AS bigint)
               AS youngest_millis
        FROM {0}
       WHERE declaration = {1} AND state IN ('CANDIDATE', 'CONFIRMED')\
      """;

  private static final String LIST =
      """
      SELECT * FROM {0}
       WHERE declaration = {1} AND state = {2} AND id > {3} ORDER BY id LIMIT {4}\
      """;

  private final Table<?> table;
  private final Field<String> declaration;
  private final Field<Boolean> evidenceCounts;
  private final long graceMillis;

  FindingSql(String schema, Declaration declaration) {
    this.table = DSL.table(DSL.name(schema, "reconcile_finding"));
    this.declaration = val(declaration.name());
    this.evidenceCounts = DSL.inline(ProbeSql.evidenceCounts(declaration));
    this.graceMillis = declaration.grace().toMillis();
  }

  /**
   * What a range holds.
   *
   * @param kept pairs of key and evidence, no more than was asked for
   */
  record Range(long checked, long skipped, long wrong, @Nullable JSONB kept) {}

  /** What asking again found; no last key if there were fewer than asked for. */
  record Answer(@Nullable JSONB lastKey, long confirmed, long resolved) {}

  /** What is open; how long ago the youngest candidate was first seen so. */
  record Open(long candidates, long confirmed, @Nullable Long youngestMillis) {
    boolean isEmpty() {
      return candidates + confirmed == 0;
    }
  }

  Table<?> table() {
    return table;
  }

  Field<String> declaration() {
    return declaration;
  }

  static Range scan(DSLContext dsl, Probe probe, Condition rows, long most) {
    Record row = dsl.resultQuery(SCAN, probe.over(rows), DSL.inline(most)).fetchSingle();
    return new Range(
        row.get("checked", Long.class),
        row.get("skipped", Long.class),
        row.get("wrong", Long.class),
        row.get("kept", JSONB.class));
  }

  /** Empty if too many are wrong to be collected by one statement. */
  static Optional<Range> tally(
      DSLContext dsl, Probe probe, Tally tally, long most, long mostWrong) {
    Record2<Integer, Integer> totals = dsl.fetchSingle(tally.totals().apply(probe.inScope()));
    long rows = totals.value1();
    long well = totals.value2();
    if (rows == well) {
      return Optional.of(new Range(rows, 0, 0, null));
    }
    long skipped = dsl.fetchSingle(tally.skipped().apply(probe.inScope())).value1();
    if (rows - well - skipped > mostWrong) {
      return Optional.empty();
    }
    Record row =
        dsl.resultQuery(COLLECT, tally.wrong().apply(probe.inScope()), DSL.inline(most))
            .fetchSingle();
    return Optional.of(
        new Range(
            rows - skipped, skipped, row.get("wrong", Long.class), row.get("kept", JSONB.class)));
  }

  void keep(DSLContext dsl, JSONB pairs) {
    dsl.query(KEEP, table, declaration, val(pairs), evidenceCounts).execute();
  }

  /** Asks about the next open findings behind a key. */
  Answer askAgain(
      DSLContext dsl, Probe probe, @Nullable JSONB after, int most, @Nullable Instant seenBefore) {
    Record row =
        dsl.resultQuery(
                ASK_AGAIN,
                table,
                declaration,
                val(after, SQLDataType.JSONB).cast(SQLDataType.JSONB),
                DSL.inline(most),
                probe.over(KeyRowsSql.among(probe)),
                evidenceCounts,
                DSL.inline(seenBefore != null),
                val(seenBefore, SQLDataType.INSTANT).cast(SQLDataType.TIMESTAMPWITHTIMEZONE),
                val(graceMillis))
            .fetchSingle();
    return new Answer(
        row.get("last_key", JSONB.class),
        row.get("confirmed", Long.class),
        row.get("resolved", Long.class));
  }

  void forgetCandidatesThatAreGone(DSLContext dsl) {
    dsl.query(FORGET_CANDIDATES_THAT_ARE_GONE, table, declaration).execute();
  }

  Open open(DSLContext dsl) {
    Record row = dsl.resultQuery(COUNT_OPEN, table, declaration).fetchSingle();
    return new Open(
        row.get("candidates", Long.class),
        row.get("confirmed", Long.class),
        row.get("youngest_millis", Long.class));
  }

  List<Finding> list(DSLContext dsl, Finding.State state, long afterId, int most) {
    return dsl.resultQuery(
            LIST, table, declaration, val(state.name()), val(afterId), DSL.inline(most))
        .fetch(FindingRow::read);
  }
}

package dev.pgbelay.batch.chunk;

import dev.pgbelay.core.TxOptions;
import dev.pgbelay.keyset.internal.KeysetRanges;
import java.time.Duration;
import org.jooq.DSLContext;
import org.jooq.Select;
import org.jooq.impl.DSL;

/** Looks at what a job would meet, without changing anything. */
final class JobCheck {
  private static final String PATH = "batch-chunk-plan";

  private final JobPlan plan;

  JobCheck(JobPlan plan) {
    this.plan = plan;
  }

  /** The job in short, with its tables in the schemas where the search path finds them. */
  String requireRunnable() {
    return plan.transactions()
        .run(
            plan.briefRead(PATH),
            tx -> {
              index(tx.dsl());
              return definition(tx.dsl());
            });
  }

  private String definition(DSLContext dsl) {
    return plan.work()
        .over(
            KeyIndexSql.requireQualified(dsl, plan.name(), plan.table()),
            plan.work().target().map(to -> KeyIndexSql.requireQualified(dsl, plan.name(), to)),
            plan.key(),
            plan.filter());
  }

  private String index(DSLContext dsl) {
    String index = KeyIndexSql.requireWalkable(dsl, plan.name(), plan.table(), plan.key());
    KeyIndexSql.requireNotGeneratedFrom(
        dsl, plan.name(), plan.table(), plan.key(), plan.work().changed());
    plan.work()
        .target()
        .ifPresent(to -> KeyIndexSql.requireOtherTable(dsl, plan.name(), plan.table(), to));
    return index;
  }

  ChunkedJob.DryRun dryRun() {
    return plan.transactions()
        .run(
            plan.briefRead(PATH),
            tx -> {
              String index = index(tx.dsl());
              int size = plan.sizing().first();
              KeysetRanges.Range first = ranges(plan).next(tx.dsl(), null, size);
              Select<?> rows =
                  DSL.select(plan.key())
                      .from(plan.table())
                      .where(first.condition().and(plan.filter()))
                      .orderBy(plan.key());
              long expected = estimate(plan, tx.dsl());
              return new ChunkedJob.DryRun(
                  expected,
                  index,
                  size,
                  (expected + size - 1) / size,
                  tx.dsl().explain(rows).plan());
            });
  }

  long count(Duration atMost) {
    return plan.transactions()
        .run(
            TxOptions.builder().path(PATH).readOnly(true).deadline(atMost).build(),
            tx ->
                tx.dsl()
                    .select(DSL.count().cast(Long.class))
                    .from(plan.table())
                    .where(plan.filter())
                    .fetchSingle()
                    .value1());
  }

  static KeysetRanges ranges(JobPlan plan) {
    return KeysetRanges.over(plan.name(), plan.table(), plan.filter(), plan.key());
  }

  /** Ranges of a number of rows of the table, whether the filter holds for them or not. */
  static KeysetRanges boundedRanges(JobPlan plan) {
    return KeysetRanges.over(plan.name(), plan.table(), DSL.noCondition(), plan.key());
  }

  static long estimate(JobPlan plan, DSLContext dsl) {
    return Math.round(
        dsl.explain(DSL.select(plan.key()).from(plan.table()).where(plan.filter())).rows());
  }
}

package dev.pgbelay.reconcile.check;

import static org.jooq.impl.DSL.condition;
import static org.jooq.impl.DSL.list;
import static org.jooq.impl.DSL.val;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.reconcile.Declaration;
import dev.pgbelay.reconcile.DerivedValue;
import dev.pgbelay.reconcile.DerivedValue.SourceChange;
import dev.pgbelay.reconcile.internal.CatalogSql;
import dev.pgbelay.reconcile.internal.Probe;
import dev.pgbelay.reconcile.internal.ProbeSql;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;
import org.jooq.Condition;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;
import org.jspecify.annotations.Nullable;

/** By which tables and keys a run comes to its rows. */
final class WalkSql {
  private WalkSql() {}

  /**
   * One of them.
   *
   * @param name of it within the run
   * @param key to walk by
   * @param filter of the rows that are walked
   * @param rows from the rows of a range to those that are asked about
   */
  record Walk(
      String name,
      Table<?> table,
      List<Field<?>> key,
      Condition filter,
      UnaryOperator<Condition> rows) {
    long estimate(DSLContext dsl) {
      return Math.round(dsl.explain(DSL.select(key).from(table).where(filter)).rows());
    }
  }

  /** Of rows changed in that time; null for all. */
  record Span(Instant from, Instant until) {}

  static List<Walk> of(DSLContext dsl, Declaration declaration, Probe probe, @Nullable Span span) {
    if (!probe.isWalkable()) {
      return List.of();
    }
    Field<?> changedAt = declaration.changedAt().orElse(null);
    if (span == null || changedAt == null) {
      return List.of(
          new Walk("", probe.walked(), probe.key(), probe.inScope(), UnaryOperator.identity()));
    }
    List<Walk> walks = new ArrayList<>();
    if (declaration instanceof DerivedValue derived) {
      for (SourceChange each : derived.sourceChanges()) {
        Table<?> source = each.source();
        walks.add(
            changed(
                span,
                ":source-" + walks.size(),
                source,
                sourceKey(dsl, source),
                each.changedAt(),
                DSL.noCondition(),
                rows -> isRowOf(probe, each, rows)));
      }
    }
    walks.add(
        changed(
            span,
            "",
            probe.walked(),
            probe.key(),
            changedAt,
            probe.inScope(),
            UnaryOperator.identity()));
    return walks;
  }

  private static List<Field<?>> sourceKey(DSLContext dsl, Table<?> source) {
    return ProbeSql.key(
        source,
        CatalogSql.find(dsl, source)
            .orElseThrow(() -> new PgBelayException("no table " + source.getName())));
  }

  private static Walk changed(
      Span span,
      String name,
      Table<?> table,
      List<Field<?>> primaryKey,
      Field<?> changedAt,
      Condition inScope,
      UnaryOperator<Condition> rows) {
    List<Field<?>> key = new ArrayList<>();
    key.add(ProbeSql.column(table, changedAt.getName()));
    primaryKey.stream()
        .filter(each -> !each.getName().equals(changedAt.getName()))
        .forEach(key::add);
    Condition since =
        condition(
            "{0} BETWEEN {1} AND {2}",
            key.get(0),
            val(span.from(), SQLDataType.INSTANT).cast(SQLDataType.TIMESTAMPWITHTIMEZONE),
            val(span.until(), SQLDataType.INSTANT).cast(SQLDataType.TIMESTAMPWITHTIMEZONE));
    return new Walk(name, table, key, since.and(inScope), rows);
  }

  /** Rows whose key is among those that sources refer to. */
  private static Condition isRowOf(Probe probe, SourceChange change, Condition sources) {
    List<Field<?>> refers = new ArrayList<>();
    change.rowKey().forEach(each -> refers.add(ProbeSql.column(change.source(), each.getName())));
    return condition(
        "({0}) IN ({1})",
        list(probe.key()), DSL.select(refers).from(change.source()).where(sources));
  }
}

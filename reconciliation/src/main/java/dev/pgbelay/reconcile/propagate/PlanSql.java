package dev.pgbelay.reconcile.propagate;

import dev.pgbelay.reconcile.OnDelete;
import dev.pgbelay.reconcile.Reference;
import dev.pgbelay.reconcile.internal.CatalogSql;
import dev.pgbelay.reconcile.internal.ProbeSql;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.jooq.CommonTableExpression;
import org.jooq.Condition;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Name;
import org.jooq.Record;
import org.jooq.Select;
import org.jooq.Table;
import org.jooq.impl.DSL;

/** Counts what a delete reaches, down through what is cascaded. */
final class PlanSql {
  private final DSLContext dsl;
  private final List<Reference> references;
  private final int most;
  private final Set<String> atLeast = new LinkedHashSet<>();

  /**
   * @param most how many rows of each reference are counted
   */
  PlanSql(DSLContext dsl, List<Reference> references, int most) {
    this.dsl = dsl;
    this.references = references;
    this.most = most;
  }

  /** References of which there are more. */
  Set<String> atLeast() {
    return atLeast;
  }

  /**
   * Rows that two ways lead to are counted on both; of a table with several references to itself,
   * what goes below the first rows is counted under the first of these.
   */
  Map<String, Long> count(Reference reference, Condition children) {
    Map<String, Long> rows = new LinkedHashMap<>();
    count(reference, children, Set.of(), rows);
    return rows;
  }

  private void count(
      Reference reference, Condition children, Set<String> way, Map<String, Long> rows) {
    boolean isCascade = reference.onDelete().action() == OnDelete.Action.CASCADE;
    List<Reference> own = isCascade ? ownOf(reference) : List.of();
    GoneRows gone = new GoneRows(reference.child(), children, own);
    long first =
        dsl.fetchCount(DSL.selectOne().from(reference.child()).where(children).limit(most + 1));
    add(rows, reference, first);
    if (first == 0 || !isCascade) {
      return;
    }
    if (!own.isEmpty() && first <= most) {
      long all = dsl.fetchCount(gone.select(own.get(0).parentColumns(), most + 1));
      add(rows, own.contains(reference) ? reference : own.get(0), all - first);
    }
    Set<String> onward = new LinkedHashSet<>(way);
    onward.add(reference.name());
    own.forEach(each -> onward.add(each.name()));
    for (Reference next : references) {
      if (CatalogSql.isSame(dsl, next.parent(), reference.child())
          && !onward.contains(next.name())) {
        Condition theirs =
            DSL.condition(
                "({0}) IN ({1})",
                DSL.list(ProbeSql.columns(next.child(), next.childColumns())),
                gone.select(next.parentColumns(), most));
        count(next, next.childWhere().and(theirs), onward, rows);
      }
    }
  }

  private void add(Map<String, Long> rows, Reference reference, long found) {
    long all = rows.merge(reference.name(), found, Long::sum);
    if (all > most) {
      atLeast.add(reference.name());
      rows.put(reference.name(), (long) most);
    }
  }

  /** What cascades within the child's table. */
  private List<Reference> ownOf(Reference reference) {
    return references.stream()
        .filter(
            each ->
                each.onDelete().action() == OnDelete.Action.CASCADE
                    && CatalogSql.isSame(dsl, each.parent(), reference.child())
                    && CatalogSql.isSame(dsl, each.child(), reference.child()))
        .toList();
  }

  /** Rows of one table that go: the first ones, and those below them in the same table. */
  private record GoneRows(Table<?> table, Condition first, List<Reference> own) {
    private static final Name GONE = DSL.name("pgbelay_gone");

    Select<?> select(List<Field<?>> wanted, int most) {
      if (own.isEmpty()) {
        return DSL.select(ProbeSql.columns(table, wanted)).from(table).where(first).limit(most);
      }
      List<String> names =
          Stream.concat(
                  wanted.stream(), own.stream().flatMap(each -> each.parentColumns().stream()))
              .map(Field::getName)
              .distinct()
              .toList();
      List<Field<?>> kept = names.stream().<Field<?>>map(this::column).toList();
      Name[] keptNames = names.stream().map(each -> kept(names, each)).toArray(Name[]::new);
      Condition below = DSL.noCondition();
      for (Reference each : own) {
        Condition oneOfTheirs = each.childWhere();
        for (int k = 0; k < each.childColumns().size(); k++) {
          oneOfTheirs =
              oneOfTheirs.and(
                  DSL.condition(
                      "{0} = {1}",
                      column(each.childColumns().get(k).getName()),
                      DSL.field(GONE.append(kept(names, each.parentColumns().get(k).getName())))));
        }
        below = below.or(oneOfTheirs);
      }
      // A union without ALL ends where rows refer to each other in a circle.
      CommonTableExpression<Record> gone =
          GONE.fields(keptNames)
              .as(
                  DSL.select(kept)
                      .from(table)
                      .where(first)
                      .union(DSL.select(kept).from(table).join(DSL.table(GONE)).on(below)));
      return DSL.withRecursive(gone)
          .select(wanted.stream().map(each -> DSL.field(kept(names, each.getName()))).toList())
          .from(gone)
          .limit(most);
    }

    private Field<?> column(String name) {
      return ProbeSql.column(table, name);
    }

    /** Not the column's own, which conditions on the table's may name. */
    private static Name kept(List<String> names, String column) {
      return DSL.name("pgbelay_k" + names.indexOf(column));
    }
  }
}

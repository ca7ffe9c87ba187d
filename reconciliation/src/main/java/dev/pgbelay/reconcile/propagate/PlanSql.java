package dev.pgbelay.reconcile.propagate;

import dev.pgbelay.reconcile.OnDelete;
import dev.pgbelay.reconcile.Reference;
import dev.pgbelay.reconcile.internal.CatalogSql;
import dev.pgbelay.reconcile.internal.ProbeSql;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jooq.Condition;
import org.jooq.DSLContext;
import org.jooq.Field;
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

  Map<String, Long> count(Reference reference, Condition children) {
    Map<String, Long> rows = new LinkedHashMap<>();
    count(reference, children, rows);
    return rows;
  }

  private void count(Reference reference, Condition children, Map<String, Long> rows) {
    long found =
        dsl.fetchCount(DSL.selectOne().from(reference.child()).where(children).limit(most + 1));
    rows.put(reference.name(), Math.min(found, most));
    if (found > most) {
      atLeast.add(reference.name());
    }
    if (found == 0 || reference.onDelete().action() != OnDelete.Action.CASCADE) {
      return;
    }
    for (Reference next : references) {
      if (CatalogSql.isSame(dsl, next.parent(), reference.child())
          && !rows.containsKey(next.name())) {
        Condition theirs =
            DSL.condition(
                "({0}) IN ({1})",
                DSL.list(columns(next.child(), next.childColumns())),
                DSL.select(columns(next.parent(), next.parentColumns()))
                    .from(reference.child())
                    .where(children)
                    .limit(most));
        count(next, next.childWhere().and(theirs), rows);
      }
    }
  }

  private static List<Field<?>> columns(Table<?> table, List<Field<?>> columns) {
    List<Field<?>> all = new ArrayList<>();
    columns.forEach(each -> all.add(ProbeSql.column(table, each.getName())));
    return all;
  }
}

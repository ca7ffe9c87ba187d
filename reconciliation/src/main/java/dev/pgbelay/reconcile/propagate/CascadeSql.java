package dev.pgbelay.reconcile.propagate;

import static org.jooq.impl.DSL.val;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.reconcile.Reference;
import dev.pgbelay.reconcile.internal.CaptureName;
import dev.pgbelay.reconcile.internal.CatalogSql;
import dev.pgbelay.reconcile.internal.ProbeSql;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.jooq.Condition;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Table;
import org.jooq.impl.DSL;

/**
 * Captures children that propagation is about to change, where no trigger does: they are parents
 * too.
 */
final class CascadeSql {
  private static final String TRIGGERS =
      """
      SELECT tgname FROM pg_trigger WHERE tgrelid = to_regclass({0}) AND tgenabled IN ('O', 'A')\
      """;

  private static final String CAPTURE =
      """
      INSERT INTO {0} (reference, parent_key, cause, urgency, due_at)
      SELECT {1}, jsonb_build_array({2}), 'CASCADE', {3}, clock_timestamp() + {4} * interval '1 millisecond'
        FROM {5} WHERE {6}\
      """;

  private static final String RESTRICTED =
      """
      SELECT EXISTS (SELECT FROM {0} WHERE {1} AND ({2}) IN (SELECT {3} FROM {4} WHERE {5}))\
      """;

  private final List<Reference> all;
  private final Table<?> queue;

  CascadeSql(String schema, List<Reference> all) {
    this.all = all;
    this.queue = DSL.table(DSL.name(schema, "reconcile_deleted"));
  }

  /**
   * Writes into the queue what the children are parents of. One that is still there afterwards
   * keeps its own children.
   *
   * @param children that are about to be changed as {@code reference} says
   */
  void capture(DSLContext dsl, Reference reference, Condition children) {
    List<Reference> next =
        all.stream()
            .filter(
                each ->
                    CatalogSql.isSame(dsl, each.parent(), reference.child())
                        && mayGo(reference, each))
            .toList();
    if (next.isEmpty()) {
      return;
    }
    Set<String> triggers =
        Set.copyOf(
            dsl.resultQuery(TRIGGERS, val(dsl.render(reference.child()))).fetch(0, String.class));
    for (Reference each : next) {
      if (!triggers.contains(CaptureName.trigger(each) + "_delete")) {
        capture(dsl, each, reference.child(), children);
      }
    }
  }

  private static boolean mayGo(Reference reference, Reference next) {
    Set<String> keys =
        next.parentColumns().stream().map(Field::getName).collect(Collectors.toSet());
    return switch (reference.onDelete().action()) {
      case CASCADE, CUSTOM -> true;
      case SOFT_DELETE ->
          !next.parentWhere().equals(DSL.noCondition())
              || reference.onDelete().assignments().keySet().stream()
                  .anyMatch(column -> keys.contains(column.getName()));
      case SET_NULL, SET_DEFAULT ->
          reference.columnsToSet().stream().anyMatch(column -> keys.contains(column.getName()));
      case RESTRICT -> false;
    };
  }

  private void capture(DSLContext dsl, Reference next, Table<?> table, Condition children) {
    List<Field<?>> keys = ProbeSql.columns(table, next.parentColumns());
    Condition whole = children.and(DSL.and(keys.stream().map(Field::isNotNull).toList()));
    switch (next.onDelete().action()) {
      case RESTRICT -> {
        boolean refused =
            Boolean.TRUE.equals(
                dsl.resultQuery(
                        RESTRICTED,
                        next.child(),
                        next.childWhere(),
                        DSL.list(ProbeSql.columns(next.child(), next.childColumns())),
                        DSL.list(keys),
                        table,
                        whole)
                    .fetchSingle()
                    .get(0));
        if (refused) {
          throw new PgBelayException(
              "reference '%s': rows of %s still refer to rows of %s that are to be changed; delete or change these first, or declare another rule than RESTRICT"
                  .formatted(next.name(), next.child().getName(), table.getName()));
        }
      }
      default ->
          dsl.query(
                  CAPTURE,
                  queue,
                  val(next.name()),
                  DSL.list(keys.stream().map(CascadeSql::text).toList()),
                  DSL.inline(CaptureSql.place(next.urgency())),
                  DSL.inline(next.grace().toMillis()),
                  table,
                  whole)
              .execute();
    }
  }

  private static Field<?> text(Field<?> column) {
    return DSL.field("cast({0} AS text)", column);
  }
}

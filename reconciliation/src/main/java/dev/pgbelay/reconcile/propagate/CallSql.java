package dev.pgbelay.reconcile.propagate;

import static org.jooq.impl.DSL.val;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.reconcile.OnDelete;
import dev.pgbelay.reconcile.Reference;
import dev.pgbelay.reconcile.internal.CatalogSql;
import dev.pgbelay.reconcile.internal.Given;
import dev.pgbelay.reconcile.internal.ProbeSql;
import dev.pgbelay.reconcile.internal.TableShape;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jooq.Condition;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jspecify.annotations.Nullable;

/** Captures keys that a caller gives. */
final class CallSql {
  /** {1}: the key as PostgreSQL writes it, whoever spelled it */
  private static final String CAPTURE =
      """
      INSERT INTO {0} (reference, parent_key, cause, urgency, due_at)
      SELECT {2}, jsonb_build_array({1}), 'CALL', {3}, clock_timestamp() + {4} * interval '1 millisecond'
        FROM unnest({5}) AS asked({6})\
      """;

  private static final String RESTRICTED =
      """
      SELECT EXISTS (SELECT FROM {0} WHERE {1} AND ({2}) IN (SELECT {4} FROM unnest({3}) AS asked({4}))),
             current_setting('transaction_isolation') = 'repeatable read'\
      """;

  private final DSLContext dsl;
  private final Reference reference;
  private final Table<?> queue;
  private final List<String> types;

  CallSql(DSLContext dsl, String schema, Reference reference) {
    this.dsl = dsl;
    this.reference = reference;
    this.queue = DSL.table(DSL.name(schema, "reconcile_deleted"));
    TableShape parent = CatalogSql.get(dsl, reference, reference.parent());
    this.types =
        reference.parentColumns().stream()
            .map(column -> parent.column(column.getName()).orElseThrow().unboundedType())
            .toList();
  }

  void capture(List<? extends List<? extends @Nullable Object>> keys) {
    for (List<?> key : keys) {
      Given.required("capture for '" + reference.name() + "': a key", key);
      if (key.size() != types.size()) {
        throw new PgBelayException(
            "capture for '%s': a key has %d columns, %d values were given"
                .formatted(reference.name(), types.size(), key.size()));
      }
    }
    List<? extends List<?>> whole =
        keys.stream().filter(key -> key.stream().allMatch(Objects::nonNull)).toList();
    if (whole.isEmpty()) {
      return;
    }
    List<Field<?>> arrays = new ArrayList<>();
    List<Field<?>> names = new ArrayList<>();
    for (int k = 0; k < types.size(); k++) {
      int column = k;
      String[] texts =
          whole.stream()
              .map(key -> Given.keyText("capture for '" + reference.name() + "'", key.get(column)))
              .toArray(String[]::new);
      arrays.add(
          DSL.field("cast(cast({0} AS text[]) AS {1}[])", val(texts), DSL.raw(types.get(k))));
      names.add(DSL.field(DSL.name("pgbelay_k" + (k + 1))));
    }
    if (reference.onDelete().action() == OnDelete.Action.RESTRICT) {
      refuse(arrays, names, whole);
    } else {
      dsl.query(
              CAPTURE,
              queue,
              DSL.list(names.stream().map(each -> DSL.field("cast({0} AS text)", each)).toList()),
              val(reference.name()),
              DSL.inline(CaptureSql.place(reference.urgency())),
              DSL.inline(reference.grace().toMillis()),
              DSL.list(arrays),
              DSL.list(names))
          .execute();
    }
  }

  private void refuse(List<Field<?>> arrays, List<Field<?>> names, List<? extends List<?>> keys) {
    List<Field<?>> from = new ArrayList<>();
    reference
        .childColumns()
        .forEach(each -> from.add(ProbeSql.column(reference.child(), each.getName())));
    Condition where = reference.childWhere();
    Record answer =
        dsl.resultQuery(
                RESTRICTED,
                reference.child(),
                where,
                DSL.list(from),
                DSL.list(arrays),
                DSL.list(names))
            .fetchSingle();
    if (Boolean.TRUE.equals(answer.get(1))) {
      throw new PgBelayException(
          "reference '%s': under REPEATABLE READ rows of %s that were committed since are not seen; delete under READ COMMITTED, or SERIALIZABLE if those who insert are too"
              .formatted(reference.name(), reference.child().getName()));
    }
    if (Boolean.TRUE.equals(answer.get(0))) {
      throw new PgBelayException(
          "reference '%s': rows of %s still refer to one of %s; delete or change these first, or declare another rule than RESTRICT"
              .formatted(
                  reference.name(), reference.child().getName(), keys.stream().limit(10).toList()));
    }
  }
}

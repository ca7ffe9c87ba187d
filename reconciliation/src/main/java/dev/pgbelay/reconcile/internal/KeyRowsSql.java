package dev.pgbelay.reconcile.internal;

import static org.jooq.impl.DSL.condition;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.list;

import java.util.ArrayList;
import java.util.List;
import org.jooq.Condition;
import org.jooq.Field;
import org.jooq.JSONB;
import org.jooq.impl.DSL;

/** Finds rows by their keys as findings keep them. */
public final class KeyRowsSql {
  private KeyRowsSql() {}

  /** True for rows whose key is among {@code asked.row_key} of the statement around. */
  public static Condition among(Probe probe) {
    if (!probe.isWalkable()) {
      return condition(
          "{0} IN (SELECT row_key FROM asked)", ProbeSql.keyOf(probe.key(), probe.keyTypes()));
    }
    List<Field<?>> values = new ArrayList<>();
    for (int k = 0; k < probe.key().size(); k++) {
      values.add(
          field(
              "cast(asked.row_key ->> {0} AS {1})", DSL.inline(k), type(probe.keyTypes().get(k))));
    }
    return condition("({0}) IN (SELECT {1} FROM asked)", list(probe.key()), list(values));
  }

  /** True for the row of one key. */
  public static Condition is(Probe probe, JSONB rowKey) {
    if (!probe.isWalkable()) {
      return condition(
          "{0} = cast({1} AS jsonb)",
          ProbeSql.keyOf(probe.key(), probe.keyTypes()), DSL.val(rowKey));
    }
    Condition all = DSL.noCondition();
    for (int k = 0; k < probe.key().size(); k++) {
      Field<?> value =
          field(
              "cast(cast({0} AS jsonb) ->> {1} AS {2})",
              DSL.val(rowKey), DSL.inline(k), type(probe.keyTypes().get(k)));
      all = all.and(condition("{0} = {1}", probe.key().get(k), value));
    }
    return all;
  }

  /** A type's name as the catalog prints it is quoted where it must be. */
  private static Field<?> type(String type) {
    return DSL.field(DSL.raw(type));
  }
}

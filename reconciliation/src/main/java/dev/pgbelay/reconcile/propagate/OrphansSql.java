package dev.pgbelay.reconcile.propagate;

import static org.jooq.impl.DSL.val;

import dev.pgbelay.reconcile.Reference;
import dev.pgbelay.reconcile.internal.CatalogSql;
import dev.pgbelay.reconcile.internal.ProbeSql;
import dev.pgbelay.reconcile.internal.TableShape;
import java.util.ArrayList;
import java.util.List;
import org.jooq.Condition;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.JSONB;
import org.jooq.impl.DSL;
import org.jspecify.annotations.Nullable;

/** Which children a deleted parent had, and which of these have none. */
final class OrphansSql {
  private static final String NO_PARENT =
      """
      NOT EXISTS (SELECT FROM (SELECT {0} FROM {1} WHERE {2}) AS pgbelay_parent({3}) WHERE {4})\
      """;

  private OrphansSql() {}

  /** True for the children of a key; for all that refer to something, if there is none. */
  static Condition children(DSLContext dsl, Reference reference, @Nullable JSONB parentKey) {
    TableShape parent = CatalogSql.get(dsl, reference, reference.parent());
    Condition all = reference.childWhere();
    for (int k = 0; k < reference.childColumns().size(); k++) {
      Field<?> from = ProbeSql.column(reference.child(), reference.childColumns().get(k).getName());
      String type = parent.require(reference.parentColumns().get(k).getName()).unboundedType();
      all =
          all.and(
              parentKey == null
                  ? from.isNotNull()
                  : DSL.condition(
                      "{0} = cast(cast({1} AS jsonb) ->> {2} AS {3})",
                      from, val(parentKey), DSL.inline(k), DSL.raw(type)));
    }
    return all;
  }

  /** One that was inserted again is honoured. */
  static Condition withoutParent(Reference reference) {
    List<Field<?>> to = new ArrayList<>();
    List<Field<?>> names = new ArrayList<>();
    Condition same = DSL.noCondition();
    for (int k = 0; k < reference.childColumns().size(); k++) {
      to.add(ProbeSql.column(reference.parent(), reference.parentColumns().get(k).getName()));
      Field<?> name = DSL.field(DSL.name("pgbelay_k" + k));
      names.add(name);
      Field<?> from = ProbeSql.column(reference.child(), reference.childColumns().get(k).getName());
      same = same.and(DSL.condition("pgbelay_parent.{0} = {1}", name, from));
    }
    return DSL.condition(
        NO_PARENT,
        DSL.list(to),
        reference.parent(),
        reference.parentWhere(),
        DSL.list(names),
        same);
  }
}

package dev.pgbelay.reconcile.check;

import static org.jooq.impl.DSL.condition;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.list;
import static org.jooq.impl.DSL.val;

import dev.pgbelay.reconcile.Reference;
import dev.pgbelay.reconcile.check.ChangesSql.Deleted;
import dev.pgbelay.reconcile.internal.CatalogSql;
import dev.pgbelay.reconcile.internal.ProbeSql;
import dev.pgbelay.reconcile.internal.TableShape;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import org.jooq.Condition;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.JSONB;
import org.jooq.impl.DSL;

/** The children of parents whose deletes were captured and are not propagated yet. */
final class DeletesSql {
  static final int AT_ONCE = 100;

  private DeletesSql() {}

  /** True for children that refer to one of them. */
  static Condition children(DSLContext dsl, Reference reference, List<Deleted> parents) {
    TableShape child = CatalogSql.get(dsl, reference, reference.child());
    List<Field<?>> columns = new ArrayList<>();
    List<Field<?>> values = new ArrayList<>();
    for (int k = 0; k < reference.childColumns().size(); k++) {
      String column = reference.childColumns().get(k).getName();
      columns.add(ProbeSql.column(reference.child(), column));
      values.add(
          field(
              "cast(pgbelay_deleted.key ->> {0} AS {1})",
              DSL.inline(k), field(DSL.raw(child.require(column).unboundedType()))));
    }
    String keys =
        parents.stream()
            .map(each -> each.parentKey().data())
            .collect(Collectors.joining(",", "[", "]"));
    return condition(
        "({0}) IN (SELECT {1} FROM jsonb_array_elements(cast({2} AS jsonb)) AS pgbelay_deleted(key))",
        list(columns), list(values), val(JSONB.valueOf(keys)));
  }
}

package dev.pgbelay.reconcile.guard;

import static org.jooq.impl.DSL.val;

import dev.pgbelay.reconcile.Reference;
import dev.pgbelay.reconcile.internal.CatalogSql;
import dev.pgbelay.reconcile.internal.ProbeSql;
import dev.pgbelay.reconcile.internal.TableShape;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import org.jooq.Condition;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.impl.DSL;

/** Asks for many parents in one statement. */
final class GuardSql {
  /**
   * {0}: arrays of the columns, {1}: their names, {2}: the parent, {3}: same key, {4}: counts, {5}:
   * the parent without its schema
   */
  private static final String FIND =
      """
      SELECT asked.pgbelay_n
        FROM unnest({0}) WITH ORDINALITY AS asked({1}, pgbelay_n) JOIN {2} ON {3}
       WHERE {4}\
      """;

  /** In the order of the key, so that two who lock the same parents do not wait for each other. */
  private static final String LOCK = " ORDER BY {1} FOR KEY SHARE OF {5}";

  /** An update that makes a parent count no more changes no key, and would pass a KEY SHARE. */
  private static final String LOCK_AS_IT_IS = " ORDER BY {1} FOR SHARE OF {5}";

  private final Reference reference;
  private final String statement;

  GuardSql(Reference reference, boolean locking) {
    this.reference = reference;
    boolean asItIs = !reference.parentWhere().equals(DSL.noCondition());
    this.statement = FIND + (locking ? asItIs ? LOCK_AS_IT_IS : LOCK : "");
  }

  /**
   * The parent's columns' types, as SQL writes them, without lengths and scales: a cast to those
   * would shorten a key to that of another parent.
   */
  List<String> types(DSLContext dsl) {
    TableShape parent = CatalogSql.get(dsl, reference, reference.parent());
    return reference.parentColumns().stream()
        .map(column -> parent.column(column.getName()).orElseThrow().unboundedType())
        .toList();
  }

  /** The keys that are not there. */
  List<List<Object>> missing(DSLContext dsl, List<String> types, List<List<Object>> keys) {
    List<Field<?>> arrays = new ArrayList<>();
    List<Field<?>> names = new ArrayList<>();
    Condition same = DSL.noCondition();
    for (int k = 0; k < types.size(); k++) {
      int column = k;
      String[] texts =
          keys.stream().map(key -> String.valueOf(key.get(column))).toArray(String[]::new);
      arrays.add(
          DSL.field("cast(cast({0} AS text[]) AS {1}[])", val(texts), DSL.raw(types.get(k))));
      Field<?> asked = DSL.field(DSL.name("pgbelay_k" + (k + 1)));
      names.add(asked);
      same =
          same.and(
              DSL.condition(
                  "{0} = asked.{1}",
                  ProbeSql.column(reference.parent(), reference.parentColumns().get(k).getName()),
                  asked));
    }
    Set<Long> found =
        new HashSet<>(
            dsl.resultQuery(
                    statement,
                    DSL.list(arrays),
                    DSL.list(names),
                    reference.parent(),
                    same,
                    reference.parentWhere(),
                    reference.parent().getUnqualifiedName())
                .fetch(row -> Objects.requireNonNull(row.get(0, Long.class))));
    List<List<Object>> missing = new ArrayList<>();
    for (int n = 0; n < keys.size(); n++) {
      if (!found.contains(n + 1L)) {
        missing.add(keys.get(n));
      }
    }
    return missing;
  }
}

package dev.pgbelay.reconcile.internal;

import static org.jooq.impl.DSL.condition;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.val;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jooq.Condition;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.JSONB;
import org.jooq.Record;
import org.jooq.impl.DSL;
import org.jspecify.annotations.Nullable;

/**
 * Finds a query's rows by their key in a way that the server can carry into the query: it knows
 * where that changes nothing else. The key as a finding has it is the text of all columns together,
 * which no index has.
 */
public final class QueryKeySql {
  /**
   * {0}: a column. Only types whose texts, read again, are equal to what they were made of under
   * every setting of a session; of a domain the type below.
   */
  private static final String TYPE =
      """
      (SELECT format_type(base.oid, -1)
         FROM pg_type AS own JOIN pg_type AS base ON base.oid = coalesce(nullif(own.typbasetype, 0), own.oid)
        WHERE own.oid = cast(pg_typeof({0}) AS oid)
          AND (base.typtype = 'e'
               OR base.oid IN (cast('int2' AS regtype), cast('int4' AS regtype), cast('int8' AS regtype),
                               cast('numeric' AS regtype), cast('bool' AS regtype), cast('uuid' AS regtype),
                               cast('text' AS regtype), cast('varchar' AS regtype), cast('bpchar' AS regtype),
                               cast('date' AS regtype), cast('timestamp' AS regtype),
                               cast('timestamptz' AS regtype))))\
      """;

  private static final String SAME = "{0} = cast(cast({1} AS text) AS {2})";

  private QueryKeySql() {}

  /**
   * The types of the key's columns as SQL writes them; null for one that is not to be compared. The
   * query is planned, and not run.
   */
  public static List<@Nullable String> types(DSLContext dsl, Probe probe) {
    List<Field<String>> types = new ArrayList<>();
    for (Field<?> column : probe.key()) {
      types.add(field(TYPE, String.class, column));
    }
    Record row =
        dsl.select(types)
            .from(DSL.values(DSL.row(1)).as("one", "n"))
            .leftJoin(probe.walked())
            .on(DSL.falseCondition())
            .fetchSingle();
    List<@Nullable String> found = new ArrayList<>();
    for (int k = 0; k < types.size(); k++) {
      found.add(row.get(k, String.class));
    }
    return found;
  }

  /**
   * True for the rows of a key, in the columns that can be compared.
   *
   * @param types of these
   */
  public static Condition is(
      DSLContext dsl, Probe probe, List<@Nullable String> types, JSONB rowKey) {
    Condition all = DSL.noCondition();
    if (types.stream().allMatch(Objects::isNull)) {
      return all;
    }
    List<Field<String>> texts = new ArrayList<>();
    for (int k = 0; k < types.size(); k++) {
      texts.add(field("cast({0} AS jsonb) ->> {1}", String.class, val(rowKey), DSL.inline(k)));
    }
    Record key = dsl.select(texts).fetchSingle();
    for (int k = 0; k < types.size(); k++) {
      String type = types.get(k);
      String text = key.get(k, String.class);
      Field<?> column = probe.key().get(k);
      if (type != null) {
        all = all.and(text == null ? column.isNull() : same(column, text, type));
      }
    }
    return all;
  }

  private static Condition same(Field<?> column, String text, String type) {
    return condition(SAME, column, val(text), field(DSL.raw(type)));
  }
}

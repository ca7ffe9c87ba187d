package dev.pgbelay.reconcile.internal;

import static org.jooq.impl.DSL.val;

import dev.pgbelay.core.PgBelayException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.UUID;
import org.jooq.Condition;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.JSONB;
import org.jooq.Record;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;
import org.jspecify.annotations.Nullable;

/**
 * Rows that foreign keys of the database delete or change when rows are deleted (ON DELETE CASCADE,
 * SET NULL, SET DEFAULT), and what these carry along in turn: kept before the delete, so that an
 * undo has them. For one transaction; not safe for several threads.
 */
public final class CarriedRowsSql {
  /** What the rows are kept as: they are no children of the declaration. */
  public static final String ACTION = "CARRIED";

  /**
   * Keys of partitions belong to that of the whole table; those that are NOT ENFORCED do nothing.
   */
  private static final String KEYS =
      """
      SELECT k.conname, k.confdeltype = 'c' AS deletes, n.nspname, c.relname,
             ARRAY(SELECT cast(a.attname AS text) FROM unnest(k.conkey) WITH ORDINALITY AS u(n, place)
                     JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.n ORDER BY u.place) AS columns_from,
             ARRAY(SELECT cast(a.attname AS text) FROM unnest(k.confkey) WITH ORDINALITY AS u(n, place)
                     JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.n ORDER BY u.place) AS columns_to
        FROM pg_constraint k
        JOIN pg_class c ON c.oid = k.conrelid
        JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE k.contype = 'f' AND k.confrelid = cast({0} AS oid) AND k.confdeltype IN ('c', 'n', 'd')
         AND k.conparentid = 0 AND coalesce(to_jsonb(k) ->> 'conenforced', 'true') = 'true'
       ORDER BY k.conname\
      """;

  private static final String CARRIED = "({0}) IN (SELECT {1} FROM {2} WHERE {3})";

  private static final String EXISTS = "SELECT EXISTS (SELECT FROM {0} WHERE {1})";

  /**
   * Locked, so that what is kept is what is carried. Each row once, however many keys lead to it.
   */
  private static final String KEEP =
      """
      INSERT INTO {1} (declaration, batch, action, evidence, table_name, columns, row_key, row_before)
      SELECT {2}, {3}, {4}, {5}, {6}, cast({7} AS text[]), {8}, cast(ROW({0}.*) AS text)
        FROM {0}
       WHERE {9} AND NOT EXISTS (SELECT FROM {1} AS kept WHERE kept.id = ANY ({10}) AND kept.row_key = {8})
         FOR UPDATE
      RETURNING id\
      """;

  private static final String KEEP_AFTER =
      """
      UPDATE {1} AS kept SET row_after = cast(ROW({0}.*) AS text) FROM {0}
       WHERE kept.id = ANY ({2}) AND ({3}) = ({4})\
      """;

  private static final String KEPT =
      "({0}) IN (SELECT {1} FROM {2} AS kept WHERE kept.id = ANY ({3}))";

  private final DSLContext dsl;
  private final Table<?> undo;
  private final Why why;
  private final Map<Long, Kept> kept = new LinkedHashMap<>();

  /** What is written beside each row. */
  public record Why(String declaration, UUID batch, @Nullable JSONB evidence) {}

  /** A foreign key that does something when what it refers to is deleted. */
  private record Key(
      String name, boolean deletes, Table<?> child, List<String> from, List<String> to) {}

  /** What is kept of one table. */
  private record Kept(Table<?> table, TableShape shape, List<Long> ids) {}

  public CarriedRowsSql(DSLContext dsl, String schema, Why why) {
    this.dsl = dsl;
    this.undo = DSL.table(DSL.name(schema, "reconcile_undo"));
    this.why = why;
  }

  /**
   * Whether a delete of these rows would carry others along.
   *
   * @param rows names the columns without their table
   */
  public static boolean any(DSLContext dsl, TableShape shape, Condition rows) {
    return keys(dsl, shape).stream()
        .anyMatch(
            key ->
                exists(
                    dsl,
                    key,
                    DSL.condition(
                        CARRIED,
                        DSL.list(ProbeSql.named(key.child(), key.from())),
                        DSL.list(key.to().stream().map(each -> DSL.field(DSL.name(each))).toList()),
                        DSL.raw(shape.name()),
                        rows)));
  }

  /**
   * Before the delete of these rows, which are locked FOR UPDATE.
   *
   * @throws PgBelayException if rows would be carried along that cannot be put back
   */
  public void keep(Table<?> table, TableShape shape, Condition rows) {
    follow(table, shape, rows, new Base(shape.oid(), rows));
  }

  /** After it: those that are still there were changed, not deleted. */
  public void keepAfter() {
    for (Kept each : kept.values()) {
      dsl.query(
              KEEP_AFTER,
              each.table(),
              undo,
              ids(each.ids()),
              DSL.list(ProbeSql.key(each.table(), each.shape())),
              DSL.list(keyOfKept(each.shape())))
          .execute();
    }
  }

  /** Rows that are kept by whoever deletes them. */
  private record Base(long table, Condition rows) {}

  private void follow(Table<?> table, TableShape shape, Condition rows, Base base) {
    for (Key key : keys(dsl, shape)) {
      Condition carried = carried(key, table, rows);
      TableShape child = CatalogSql.find(dsl, key.child()).orElseThrow();
      if (child.oid() == base.table()) {
        carried = carried.andNot(base.rows());
      }
      if (child.primaryKey().isEmpty()) {
        refuse(key, carried);
        continue;
      }
      List<Long> ids = keepOf(key.child(), child, carried);
      if (!ids.isEmpty() && key.deletes()) {
        Condition theirs =
            DSL.condition(
                KEPT,
                DSL.list(ProbeSql.key(key.child(), child)),
                DSL.list(keyOfKept(child)),
                undo,
                ids(ids));
        follow(key.child(), child, theirs, base);
      }
    }
  }

  private void refuse(Key key, Condition carried) {
    if (exists(dsl, key, carried)) {
      throw new PgBelayException(
          "declaration '%s': foreign key %s would take rows of %s along, which has no primary key, so that they could not be put back; add one, or delete them first"
              .formatted(why.declaration(), key.name(), key.child().getName()));
    }
  }

  private List<Long> keepOf(Table<?> table, TableShape shape, Condition carried) {
    Kept before =
        kept.computeIfAbsent(shape.oid(), oid -> new Kept(table, shape, new ArrayList<>()));
    List<Long> ids =
        dsl.resultQuery(
                KEEP,
                table,
                undo,
                val(why.declaration()),
                val(why.batch()),
                val(ACTION),
                val(why.evidence(), SQLDataType.JSONB),
                val(shape.name()),
                CatalogSql.columns(shape),
                ProbeSql.keyOf(ProbeSql.key(table, shape), ProbeSql.types(shape)),
                carried,
                ids(before.ids()))
            .fetch(row -> Objects.requireNonNull(row.get(0, Long.class)));
    before.ids().addAll(ids);
    return ids;
  }

  private static Condition carried(Key key, Table<?> table, Condition rows) {
    return DSL.condition(
        CARRIED,
        DSL.list(ProbeSql.named(key.child(), key.from())),
        DSL.list(ProbeSql.named(table, key.to())),
        table,
        rows);
  }

  private static boolean exists(DSLContext dsl, Key key, Condition carried) {
    return Boolean.TRUE.equals(dsl.resultQuery(EXISTS, key.child(), carried).fetchSingle().get(0));
  }

  private static List<Key> keys(DSLContext dsl, TableShape shape) {
    return dsl.resultQuery(KEYS, val(shape.oid())).fetch(CarriedRowsSql::key);
  }

  private static Key key(Record row) {
    return new Key(
        row.get("conname", String.class),
        Boolean.TRUE.equals(row.get("deletes", Boolean.class)),
        DSL.table(DSL.name(row.get("nspname", String.class), row.get("relname", String.class))),
        List.of(Objects.requireNonNull(row.get("columns_from", String[].class))),
        List.of(Objects.requireNonNull(row.get("columns_to", String[].class))));
  }

  private static List<Field<?>> keyOfKept(TableShape shape) {
    List<Field<?>> parts = new ArrayList<>();
    for (String column : shape.primaryKey()) {
      parts.add(
          DSL.field(
              "cast(kept.row_key ->> {0} AS {1})",
              DSL.inline(parts.size()),
              DSL.raw(shape.column(column).orElseThrow().unboundedType())));
    }
    return parts;
  }

  private static Field<Long[]> ids(List<Long> ids) {
    return val(ids.toArray(Long[]::new));
  }
}

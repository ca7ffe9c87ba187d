package dev.pgbelay.reconcile.internal;

import static org.jooq.impl.DSL.val;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.reconcile.Reference;
import dev.pgbelay.reconcile.internal.TableShape.Column;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.Result;
import org.jooq.Table;
import org.jooq.impl.DSL;

/** Asks the catalog about tables, columns and indexes. */
public final class CatalogSql {
  private static final String READ_COLUMNS =
      """
      SELECT asked.name AS asked, format('%I.%I', n.nspname, c.relname) AS name, cast(c.oid AS bigint) AS oid,
             a.attname, cast(a.attnum AS integer) AS attnum, cast(a.atttypid AS bigint) AS type_id,
             format_type(a.atttypid, a.atttypmod) AS type, format_type(a.atttypid, -1) AS unbounded_type,
             cast(a.attcollation AS bigint) AS collation, a.attnotnull, a.atthasdef OR a.attidentity <> '' AS has_default,
             a.attgenerated <> '' AS is_generated, a.attidentity = 'a' AS is_always_identity,
             array_position(key.columns, a.attnum) AS key_place
        FROM unnest(cast({0} AS text[])) AS asked(name)
        JOIN pg_class c ON c.oid = to_regclass(asked.name) AND c.relkind IN ('r', 'p')
        JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        LEFT JOIN LATERAL (
          SELECT array_agg(k.attnum ORDER BY k.place) AS columns
            FROM pg_index i
            CROSS JOIN unnest(cast(i.indkey AS int2[])) WITH ORDINALITY AS k(attnum, place)
           WHERE i.indrelid = c.oid AND i.indisprimary AND k.place <= i.indnkeyatts) AS key ON true
       ORDER BY a.attnum\
      """;

  private static final String COLUMNS =
      """
      ARRAY(SELECT cast(attname AS text) FROM pg_attribute
             WHERE attrelid = cast({0} AS oid) AND attnum > 0 AND NOT attisdropped ORDER BY attnum)\
      """;

  private static final String IS_SAME = "SELECT to_regclass({0}) = to_regclass({1})";

  /** {0}: tables */
  private static final String READ_INDEXES =
      """
      SELECT cast(i.indrelid AS bigint) AS table_oid, cast(i.indkey AS int2[]) AS columns,
             cast(i.indnkeyatts AS integer) AS key_columns, i.indisunique AS is_unique, i.indisvalid AS is_valid,
             i.indimmediate AS is_immediate, am.amname = 'btree' AS is_walked, i.indpred IS NOT NULL AS is_partial,
             CASE WHEN i.indpred IS NOT NULL THEN (
               SELECT cast(a.attnum AS integer) FROM pg_attribute a
                WHERE a.attrelid = i.indrelid
                  AND pg_get_expr(i.indpred, i.indrelid) = format('(%I IS NOT NULL)', a.attname)) END AS but_null
        FROM pg_index i
        JOIN pg_class c ON c.oid = i.indexrelid
        JOIN pg_am am ON am.oid = c.relam
       WHERE i.indrelid = ANY (cast({0} AS oid[]))\
      """;

  private CatalogSql() {}

  /** Empty where there is no such table. */
  public static Optional<TableShape> find(DSLContext dsl, Table<?> table) {
    return find(dsl, dsl.render(table));
  }

  /** The same by a name as SQL writes it. */
  public static Optional<TableShape> find(DSLContext dsl, String table) {
    return Optional.ofNullable(find(dsl, Set.of(table)).get(table));
  }

  /** Those of these tables that there are, by their names as SQL writes them. */
  static Map<String, TableShape> find(DSLContext dsl, Set<String> tables) {
    Map<String, TableShape> found = new HashMap<>();
    dsl.resultQuery(READ_COLUMNS, val(tables.toArray(String[]::new)))
        .fetch()
        .intoGroups(DSL.field(DSL.name("asked"), String.class))
        .forEach((table, columns) -> found.put(table, shape(columns)));
    return found;
  }

  private static TableShape shape(Result<Record> rows) {
    Map<String, Column> columns = new LinkedHashMap<>();
    rows.forEach(
        row ->
            columns.put(
                row.get("attname", String.class),
                new Column(
                    row.get("attnum", Integer.class),
                    row.get("type_id", Long.class),
                    row.get("type", String.class),
                    row.get("unbounded_type", String.class),
                    row.get("collation", Long.class),
                    row.get("attnotnull", Boolean.class),
                    row.get("has_default", Boolean.class),
                    row.get("is_generated", Boolean.class),
                    row.get("is_always_identity", Boolean.class))));
    List<String> key =
        rows.stream()
            .filter(row -> row.get("key_place") != null)
            .sorted((a, b) -> a.get("key_place", Integer.class) - b.get("key_place", Integer.class))
            .map(row -> row.get("attname", String.class))
            .toList();
    return new TableShape(
        rows.get(0).get("name", String.class), rows.get(0).get("oid", Long.class), columns, key);
  }

  /**
   * A table of a reference.
   *
   * @throws PgBelayException naming the reference, if there is no such table
   */
  public static TableShape get(DSLContext dsl, Reference reference, Table<?> table) {
    return find(dsl, table)
        .orElseThrow(
            () ->
                new PgBelayException(
                    "reference '%s': no table %s on the search path"
                        .formatted(reference.name(), table.getName())));
  }

  /**
   * The names of a table's columns as the statement finds them: its lock is taken by then, and what
   * was read before may have changed.
   */
  public static Field<String[]> columns(TableShape table) {
    return DSL.field(COLUMNS, String[].class, DSL.inline(table.oid()));
  }

  /** Whether two names, with their schemas or without, are those of one table. */
  public static boolean isSame(DSLContext dsl, Table<?> one, Table<?> other) {
    if (one.getQualifiedName().equals(other.getQualifiedName())) {
      return true;
    }
    return one.getName().equals(other.getName())
        && Boolean.TRUE.equals(
            dsl.resultQuery(IS_SAME, val(dsl.render(one)), val(dsl.render(other)))
                .fetchSingle()
                .get(0));
  }

  /** The indexes of these tables, by the tables' oids. */
  static Map<Long, List<IndexShape>> indexes(DSLContext dsl, Collection<TableShape> tables) {
    Long[] oids = tables.stream().map(TableShape::oid).toArray(Long[]::new);
    Map<Long, List<IndexShape>> indexes = new HashMap<>();
    dsl.resultQuery(READ_INDEXES, val(oids))
        .fetch()
        .forEach(
            row ->
                indexes
                    .computeIfAbsent(row.get("table_oid", Long.class), oid -> new ArrayList<>())
                    .add(
                        new IndexShape(
                            List.of(row.get("columns", Integer[].class)),
                            row.get("key_columns", Integer.class),
                            row.get("is_unique", Boolean.class),
                            row.get("is_valid", Boolean.class),
                            row.get("is_immediate", Boolean.class),
                            row.get("is_walked", Boolean.class),
                            row.get("is_partial", Boolean.class),
                            Optional.ofNullable(row.get("but_null", Integer.class)))));
    return indexes;
  }

  static String uniqueIndexDdl(TableShape table, List<String> columns) {
    return "CREATE UNIQUE INDEX CONCURRENTLY ON " + table.name() + " (" + quoted(columns) + ")";
  }

  static String indexDdl(TableShape table, List<String> columns) {
    return "CREATE INDEX CONCURRENTLY ON " + table.name() + " (" + quoted(columns) + ")";
  }

  private static String quoted(List<String> columns) {
    DSLContext plain = DSL.using(org.jooq.SQLDialect.POSTGRES);
    return String.join(", ", columns.stream().map(each -> plain.render(DSL.name(each))).toList());
  }
}

package dev.pgbelay.reconcile.internal;

import static org.jooq.impl.DSL.val;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.reconcile.Reference;
import dev.pgbelay.reconcile.internal.TableShape.Column;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
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
      SELECT format('%I.%I', n.nspname, c.relname) AS name, cast(c.oid AS bigint) AS oid,
             a.attname, cast(a.attnum AS integer) AS attnum, cast(a.atttypid AS bigint) AS type_id,
             format_type(a.atttypid, a.atttypmod) AS type, format_type(a.atttypid, -1) AS unbounded_type,
             cast(a.attcollation AS bigint) AS collation, a.attnotnull, a.atthasdef OR a.attidentity <> '' AS has_default,
             a.attgenerated <> '' AS is_generated, a.attidentity = 'a' AS is_always_identity,
             array_position(key.columns, a.attnum) AS key_place
        FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        LEFT JOIN LATERAL (
          SELECT array_agg(k.attnum ORDER BY k.place) AS columns
            FROM pg_index i
            CROSS JOIN unnest(cast(i.indkey AS int2[])) WITH ORDINALITY AS k(attnum, place)
           WHERE i.indrelid = c.oid AND i.indisprimary AND k.place <= i.indnkeyatts) AS key ON true
       WHERE c.oid = to_regclass({0}) AND c.relkind IN ('r', 'p')
       ORDER BY a.attnum\
      """;

  private static final String COLUMNS =
      """
      ARRAY(SELECT cast(attname AS text) FROM pg_attribute
             WHERE attrelid = cast({0} AS oid) AND attnum > 0 AND NOT attisdropped ORDER BY attnum)\
      """;

  private static final String IS_SAME = "SELECT to_regclass({0}) = to_regclass({1})";

  /** An index on fewer columns makes more of them unique as well. */
  private static final String HAS_UNIQUE_INDEX =
      """
      SELECT EXISTS (
        SELECT FROM pg_index
         WHERE indrelid = cast({0} AS oid) AND indisunique AND indisvalid AND indimmediate AND indpred IS NULL
           AND (cast(indkey AS int2[]))[0:(indnkeyatts - 1)] <@ cast({1} AS int2[]))\
      """;

  /** Children with a NULL refer to nothing: an index that leaves them out will do. */
  private static final String HAS_LEADING_INDEX =
      """
      SELECT EXISTS (
        SELECT FROM pg_index i
          JOIN pg_class c ON c.oid = i.indexrelid
          JOIN pg_am am ON am.oid = c.relam
         WHERE i.indrelid = cast({0} AS oid) AND am.amname = 'btree' AND i.indisvalid
           AND cardinality(cast({1} AS int2[])) <= i.indnkeyatts
           AND (cast(i.indkey AS int2[]))[0:(cardinality(cast({1} AS int2[])) - 1)] @> cast({1} AS int2[])
           AND (i.indpred IS NULL OR pg_get_expr(i.indpred, i.indrelid) = ANY (
                 SELECT format('(%I IS NOT NULL)', attname) FROM pg_attribute
                  WHERE attrelid = i.indrelid AND attnum = ANY (cast({1} AS int2[])))))\
      """;

  /** In that order, since the index is walked. */
  private static final String WALKS =
      """
      SELECT EXISTS (
        SELECT FROM pg_index i
          JOIN pg_class c ON c.oid = i.indexrelid
          JOIN pg_am am ON am.oid = c.relam
         WHERE i.indrelid = cast({0} AS oid) AND am.amname = 'btree' AND i.indisvalid AND i.indpred IS NULL
           AND cardinality(cast({1} AS int2[])) <= i.indnkeyatts
           AND (cast(i.indkey AS int2[]))[0:(cardinality(cast({1} AS int2[])) - 1)] = cast({1} AS int2[]))\
      """;

  private CatalogSql() {}

  /** Empty where there is no such table. */
  public static Optional<TableShape> find(DSLContext dsl, Table<?> table) {
    return find(dsl, dsl.render(table));
  }

  /** The same by a name as SQL writes it. */
  public static Optional<TableShape> find(DSLContext dsl, String table) {
    Result<Record> rows = dsl.resultQuery(READ_COLUMNS, val(table)).fetch();
    if (rows.isEmpty()) {
      return Optional.empty();
    }
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
    return Optional.of(
        new TableShape(
            rows.get(0).get("name", String.class),
            rows.get(0).get("oid", Long.class),
            columns,
            key));
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

  static boolean hasUniqueIndex(DSLContext dsl, TableShape table, List<Column> columns) {
    return holds(dsl, HAS_UNIQUE_INDEX, table, columns);
  }

  static boolean hasLeadingIndex(DSLContext dsl, TableShape table, List<Column> columns) {
    return holds(dsl, HAS_LEADING_INDEX, table, columns);
  }

  static boolean walks(DSLContext dsl, TableShape table, List<Column> columns) {
    return holds(dsl, WALKS, table, columns);
  }

  private static boolean holds(
      DSLContext dsl, String question, TableShape table, List<Column> columns) {
    Short[] numbers = columns.stream().map(each -> (short) each.number()).toArray(Short[]::new);
    return Boolean.TRUE.equals(
        dsl.resultQuery(question, val(table.oid()), val(numbers)).fetchSingle().get(0));
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

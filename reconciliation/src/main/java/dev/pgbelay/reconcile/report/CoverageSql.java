package dev.pgbelay.reconcile.report;

import static org.jooq.impl.DSL.val;

import java.util.List;
import java.util.Optional;
import org.jooq.DSLContext;
import org.jooq.Record;

/** Asks the catalog for columns that are foreign keys, look like them, or are declared. */
final class CoverageSql {
  /**
   * A partition has the columns of its root. A whole primary key that has a default, or the name of
   * its table, is the table's own. {0}: schemas, all if empty; {1}: schema that is left out; {2}:
   * suffixes; {3}, {4}: tables and columns that are declared.
   */
  private static final String LIST =
      """
      SELECT cast(c.oid AS bigint) AS oid, n.nspname, c.relname, a.attname,
             format_type(a.atttypid, a.atttypmod) AS type, fk.conname, fk.convalidated
        FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        JOIN pg_type t ON t.oid = a.atttypid
        JOIN pg_type b ON b.oid = coalesce(nullif(t.typbasetype, 0), t.oid)
        LEFT JOIN LATERAL (
          SELECT k.conname, k.convalidated FROM pg_constraint k
           WHERE k.conrelid = c.oid AND k.contype = 'f' AND a.attnum = ANY (k.conkey)
             AND coalesce(cast(to_jsonb(k) ->> 'conenforced' AS boolean), true)
           ORDER BY k.convalidated DESC, k.conname LIMIT 1) AS fk ON true
       WHERE c.relkind IN ('r', 'p')
         AND (EXISTS (SELECT FROM unnest(cast({3} AS bigint[]), cast({4} AS text[])) AS d(oid, name)
                       WHERE d.oid = cast(c.oid AS bigint) AND d.name = a.attname)
              OR (NOT c.relispartition AND c.relpersistence <> 't'
                  AND (cast({0} AS text[]) = '{}' OR n.nspname = ANY (cast({0} AS text[])))
                  AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname NOT IN ('information_schema', {1})
                  AND NOT EXISTS (SELECT FROM pg_depend e
                                   WHERE e.classid = cast('pg_class' AS regclass) AND e.objid = c.oid
                                     AND e.objsubid = 0 AND e.deptype = 'e')
                  AND (fk.conname IS NOT NULL
                       OR (b.typname IN ('int2', 'int4', 'int8', 'numeric', 'uuid', 'text', 'varchar', 'bpchar')
                           AND EXISTS (
                                 SELECT FROM unnest(cast({2} AS text[])) AS asked(suffix)
                                  WHERE right(a.attname, length(suffix)) = suffix
                                    AND length(a.attname) > length(suffix)
                                    AND NOT EXISTS (
                                          SELECT FROM pg_index i
                                           WHERE i.indrelid = c.oid AND i.indisprimary
                                             AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum
                                             AND (a.atthasdef OR a.attidentity <> ''
                                                  OR starts_with(lower(c.relname), lower(left(a.attname, -length(suffix)))))))))))
       ORDER BY n.nspname, c.relname, a.attnum\
      """;

  /** A schema that a typo names would be found to be covered. {0}: names */
  private static final String FIND_MISSING_SCHEMAS =
      """
      SELECT name FROM unnest(cast({0} AS text[])) AS asked(name)
       WHERE NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = name)\
      """;

  private CoverageSql() {}

  /** What the catalog says of a column. */
  record Candidate(
      long oid,
      String schema,
      String table,
      String column,
      String type,
      Optional<String> foreignKey,
      boolean validated) {}

  /** A column of a reference's child. */
  record Declared(long oid, String column) {}

  static List<Candidate> list(
      DSLContext dsl,
      List<String> schemas,
      String own,
      List<String> suffixes,
      List<Declared> declared) {
    return dsl.resultQuery(
            LIST,
            val(schemas.toArray(String[]::new)),
            val(own),
            val(suffixes.toArray(String[]::new)),
            val(declared.stream().map(Declared::oid).toArray(Long[]::new)),
            val(declared.stream().map(Declared::column).toArray(String[]::new)))
        .fetch(CoverageSql::candidate);
  }

  static List<String> missingSchemas(DSLContext dsl, List<String> schemas) {
    return dsl.resultQuery(FIND_MISSING_SCHEMAS, val(schemas.toArray(String[]::new)))
        .fetch()
        .getValues(0, String.class);
  }

  private static Candidate candidate(Record row) {
    return new Candidate(
        row.get("oid", Long.class),
        row.get("nspname", String.class),
        row.get("relname", String.class),
        row.get("attname", String.class),
        row.get("type", String.class),
        Optional.ofNullable(row.get("conname", String.class)),
        Boolean.TRUE.equals(row.get("convalidated", Boolean.class)));
  }
}

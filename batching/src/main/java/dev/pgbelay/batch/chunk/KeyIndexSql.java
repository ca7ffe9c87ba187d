package dev.pgbelay.batch.chunk;

import static org.jooq.impl.DSL.val;

import dev.pgbelay.batch.chunk.JobRefusedException.Reason;
import java.util.List;
import java.util.Objects;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jspecify.annotations.Nullable;

/** Asks the catalog whether a key can be walked, and refuses with the DDL where it cannot. */
final class KeyIndexSql {
  /**
   * An index serves if its leading columns are the key's, in their order, all in one direction,
   * with the columns' own collations and the default operators, valid and without a WHERE. It makes
   * the key unique if all its columns are among the key's.
   */
  private static final String CHECK_KEY =
      """
      WITH key AS (
        SELECT array_agg(a.attnum ORDER BY asked.ord) AS attnums,
               array_agg(a.attcollation ORDER BY asked.ord) AS collations,
               count(*)::int AS n,
               string_agg(a.attname, ', ' ORDER BY asked.ord) FILTER (WHERE NOT a.attnotnull)
                 AS nullable
          FROM unnest(cast({1} AS text[])) WITH ORDINALITY AS asked(name, ord)
          JOIN pg_attribute a
            ON a.attrelid = to_regclass({0}) AND a.attname = asked.name
           AND a.attnum > 0 AND NOT a.attisdropped),
      candidate AS (
        SELECT i.*, c.relname, k.*
          FROM key k
          JOIN pg_index i ON i.indrelid = to_regclass({0})
          JOIN pg_class c ON c.oid = i.indexrelid
          JOIN pg_am am ON am.oid = c.relam
         WHERE am.amname = 'btree' AND i.indisvalid AND i.indisready AND i.indpred IS NULL)
      SELECT to_regclass({0}) IS NOT NULL AS found, k.n, k.nullable,
             (SELECT relname FROM candidate
               WHERE indnkeyatts >= n
                 AND (indkey::int2[])[0:(n - 1)] = attnums::int2[]
                 AND (indcollation::oid[])[0:(n - 1)] = collations::oid[]
                 AND (SELECT count(DISTINCT o & 1)
                        FROM unnest((indoption::int2[])[0:(n - 1)]) AS o) = 1
                 AND NOT EXISTS (
                   SELECT FROM unnest((indclass::oid[])[0:(n - 1)]) AS used(opclass)
                     JOIN pg_opclass oc ON oc.oid = used.opclass
                    WHERE NOT oc.opcdefault)
               ORDER BY indnkeyatts, relname
               LIMIT 1) AS walks,
             (SELECT relname FROM candidate
               WHERE indisunique AND indimmediate
                 AND (indkey::int2[])[0:(indnkeyatts - 1)] <@ attnums::int2[]
               LIMIT 1) AS makes_unique
        FROM key k\
      """;

  private static final String FIND_GENERATED_KEY =
      """
      SELECT a.attname AS key_column, base.attname AS changed
        FROM pg_attribute a
        JOIN pg_attrdef expression
          ON expression.adrelid = a.attrelid AND expression.adnum = a.attnum
        JOIN pg_depend d
          ON d.classid = 'pg_attrdef'::regclass AND d.objid = expression.oid
         AND d.refclassid = 'pg_class'::regclass AND d.refobjid = a.attrelid
        JOIN pg_attribute base ON base.attrelid = a.attrelid AND base.attnum = d.refobjsubid
       WHERE a.attrelid = to_regclass({0}) AND a.attgenerated <> ''
         AND a.attname = ANY (cast({1} AS text[])) AND base.attname = ANY (cast({2} AS text[]))
       LIMIT 1\
      """;

  private static final String IS_PART_OF_THE_OTHER =
      """
      SELECT to_regclass({0}) = to_regclass({1})
             OR to_regclass({1}) IN (SELECT relid FROM pg_partition_tree(to_regclass({0})))
             OR to_regclass({0}) IN (SELECT relid FROM pg_partition_tree(to_regclass({1})))\
      """;

  private static final String FIND_QUALIFIED_NAME =
      """
      SELECT format('%I.%I', n.nspname, c.relname)
        FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE c.oid = to_regclass({0})\
      """;

  private static final String INDEX_DDL = "CREATE %sINDEX CONCURRENTLY ON %s (%s)";

  private KeyIndexSql() {}

  /** The table as the catalog's {@code to_regclass} reads it. */
  static String nameOf(DSLContext dsl, Table<?> table) {
    return dsl.render(table);
  }

  /**
   * The table with the schema in which it is found.
   *
   * @throws JobRefusedException where there is none
   */
  static String requireQualified(DSLContext dsl, String job, Table<?> table) {
    String name = nameOf(dsl, table);
    return dsl.resultQuery(FIND_QUALIFIED_NAME, val(name))
        .fetchOptional(0, String.class)
        .orElseThrow(
            () ->
                new JobRefusedException(
                    Reason.NOT_FOUND,
                    "job '%s': no table %s on the search path; check the name and the schema"
                        .formatted(job, name)));
  }

  /**
   * The name of the index that walks {@code key}.
   *
   * @throws JobRefusedException where there is none, or the key cannot be walked
   */
  static String requireWalkable(DSLContext dsl, String job, Table<?> table, List<Field<?>> key) {
    String name = nameOf(dsl, table);
    String[] names = names(key);
    String columns =
        String.join(", ", key.stream().map(each -> dsl.render(DSL.name(each.getName()))).toList());
    Record row = dsl.resultQuery(CHECK_KEY, val(name), val(names)).fetchSingle();
    String where = "job '" + job + "': key (" + columns + ") of " + name;
    if (!Boolean.TRUE.equals(row.get("found")) || row.get("n", Integer.class) < names.length) {
      throw new JobRefusedException(
          Reason.NOT_FOUND,
          where + ": no such table or column on the search path; check the names and the schema");
    }
    String nullable = row.get("nullable", String.class);
    if (nullable != null) {
      throw new JobRefusedException(
          Reason.KEY_NULLABLE,
          where
              + ": "
              + nullable
              + " may be NULL, and rows with NULL would be passed over; walk by the primary key, or"
              + " make the column NOT NULL");
    }
    String walks = row.get("walks", String.class);
    boolean unique = row.get("makes_unique", String.class) != null;
    if (walks == null) {
      throw new JobRefusedException(
          Reason.NO_INDEX,
          where
              + ": no index walks it, so every chunk would read and sort the table. "
              + ddl(!unique, name, columns));
    }
    if (!unique) {
      throw new JobRefusedException(
          Reason.KEY_NOT_UNIQUE,
          where
              + ": rows that share a value are one chunk, however many they are; add the primary key's"
              + " columns, or "
              + ddl(true, name, columns));
    }
    return Objects.requireNonNull(walks);
  }

  /** Refuses an update of what a key column is generated from. */
  static void requireNotGeneratedFrom(
      DSLContext dsl, String job, Table<?> table, List<Field<?>> key, List<Field<?>> changed) {
    if (changed.isEmpty()) {
      return;
    }
    dsl.resultQuery(
            FIND_GENERATED_KEY, val(nameOf(dsl, table)), val(names(key)), val(names(changed)))
        .fetchOptional()
        .ifPresent(
            found -> {
              throw new JobRefusedException(
                  Reason.KEY_CHANGED_BY_WORK,
                  "job '%s': updates %s, from which %s is generated, by which it walks: rows would move across the position. Walk by columns that the update leaves alone"
                      .formatted(job, found.get("changed"), found.get("key_column")));
            });
  }

  /** Refuses to insert into the table that is walked, a partition of it, or what it is one of. */
  static void requireOtherTable(DSLContext dsl, String job, Table<?> table, Table<?> target) {
    Record row =
        dsl.resultQuery(IS_PART_OF_THE_OTHER, val(nameOf(dsl, table)), val(nameOf(dsl, target)))
            .fetchSingle();
    if (Boolean.TRUE.equals(row.get(0))) {
      throw new JobRefusedException(
          Reason.WALKS_ITS_OWN_ROWS,
          "job '%s': inserts into %s, and walks %s, which is or holds the same rows: it would meet its own rows and never end. Insert into another table"
              .formatted(job, nameOf(dsl, target), nameOf(dsl, table)));
    }
  }

  private static String[] names(List<Field<?>> fields) {
    return fields.stream().map(Field::getName).toArray(String[]::new);
  }

  private static String ddl(boolean unique, String table, @Nullable String columns) {
    return "run: " + INDEX_DDL.formatted(unique ? "UNIQUE " : "", table, columns);
  }
}

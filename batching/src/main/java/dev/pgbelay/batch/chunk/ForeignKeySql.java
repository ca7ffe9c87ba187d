package dev.pgbelay.batch.chunk;

import static org.jooq.impl.DSL.val;

import java.util.List;
import org.jooq.DSLContext;
import org.jooq.Table;

/** Asks the catalog which tables refer to those that a cascade empties. */
final class ForeignKeySql {
  /**
   * A table is declared if it, or what it is a partition of, is in the list; one that refers to the
   * parent, by that column. {0}: the parent, {1}: the declared tables, {2}: their columns, empty
   * for any.
   */
  private static final String FIND_UNDECLARED =
      """
      WITH parents AS (
        SELECT to_regclass({0}) AS rel UNION SELECT relid FROM pg_partition_tree(to_regclass({0}))),
      declared AS (
        SELECT to_regclass(name) AS rel, column_name
          FROM unnest(cast({1} AS text[]), cast({2} AS text[])) AS given(name, column_name)
        UNION
        SELECT part.relid, column_name
          FROM unnest(cast({1} AS text[]), cast({2} AS text[])) AS given(name, column_name)
          CROSS JOIN pg_partition_tree(to_regclass(name)) AS part),
      reference AS (
        SELECT c.oid, c.conrelid, c.confrelid, c.confdeltype,
               array_agg(cast(a.attname AS text) ORDER BY k.ord) AS columns
          FROM pg_constraint c
          CROSS JOIN unnest(c.conkey) WITH ORDINALITY AS k(attnum, ord)
          JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.attnum
         WHERE c.contype = 'f' AND c.conparentid = 0
           AND (c.confrelid IN (SELECT rel FROM parents)
                OR c.confrelid IN (SELECT rel FROM declared))
         GROUP BY c.oid, c.conrelid, c.confrelid, c.confdeltype)
      SELECT conrelid::regclass || ' (' || array_to_string(columns, ', ') || ')'
             || CASE confdeltype WHEN 'c' THEN ' ON DELETE CASCADE'
                                 WHEN 'n' THEN ' ON DELETE SET NULL'
                                 WHEN 'd' THEN ' ON DELETE SET DEFAULT' ELSE '' END
             || ' refers to ' || confrelid::regclass
        FROM reference
       WHERE NOT EXISTS (
               SELECT FROM declared
                WHERE rel = conrelid
                  AND (confrelid NOT IN (SELECT rel FROM parents) OR column_name = ''
                       OR column_name = ANY (columns)))
       ORDER BY 1\
      """;

  private ForeignKeySql() {}

  static List<String> undeclared(
      DSLContext dsl, Table<?> parent, List<String> tables, List<String> columns) {
    return dsl.resultQuery(
            FIND_UNDECLARED,
            val(dsl.render(parent)),
            val(tables.toArray(String[]::new)),
            val(columns.toArray(String[]::new)))
        .fetch(0, String.class);
  }
}

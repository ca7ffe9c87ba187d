package dev.pgbelay.batch.chunk;

import static org.jooq.impl.DSL.val;

import java.util.List;
import org.jooq.DSLContext;
import org.jooq.Table;

/** Asks the catalog which tables refer to those that a cascade empties. */
final class ForeignKeySql {
  /**
   * Looks at each foreign key that a DELETE would follow: one that refers to an emptied table, to
   * what its rows lie in (partitions, tables that inherit), or to what it is a partition of. The
   * table that refers is declared if it is in the list or its rows lie in one that is; where it
   * refers to the parent, by that column, and to the column by which the parent is given. {@code
   * refers_at} is the place at which it is emptied, {@code emptied_at} that of what it refers to: a
   * circle is what leads from the one to the other and back. {0}: the parent, {1}: the declared
   * tables in order, {2}: their columns, empty for any, {3}: the parent's column.
   */
  private static final String FIND_FAULTS =
      """
      WITH RECURSIVE given AS (
        SELECT cast(to_regclass(name) AS oid) AS rel, column_name, place
          FROM unnest(cast({1} AS text[]), cast({2} AS text[]))
               WITH ORDINALITY AS listed(name, column_name, place)),
      parent AS (
        SELECT cast(to_regclass({0}) AS oid) AS rel),
      below AS (
        SELECT rel AS top, rel AS part FROM (TABLE parent UNION SELECT rel FROM given) AS emptied
        UNION
        SELECT below.top, i.inhrelid FROM below JOIN pg_inherits i ON i.inhparent = below.part),
      around AS (
        SELECT top, part FROM below
        UNION
        SELECT top, cast(above.relid AS oid)
          FROM below CROSS JOIN pg_partition_ancestors(part) AS above(relid)),
      reference AS (
        SELECT c.oid, c.conrelid, c.confrelid, c.confdeltype,
               array_agg(cast(a.attname AS text) ORDER BY k.ord) AS columns,
               array_agg(cast(b.attname AS text) ORDER BY k.ord) AS targets,
               coalesce(max(cast(a.attname AS text)) FILTER (WHERE b.attname = {3}), '') AS by_key
          FROM pg_constraint c
          CROSS JOIN unnest(c.conkey, c.confkey) WITH ORDINALITY AS k(attnum, target, ord)
          JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.attnum
          JOIN pg_attribute b ON b.attrelid = c.confrelid AND b.attnum = k.target
         WHERE c.contype = 'f' AND c.conparentid = 0
           AND c.confrelid IN (SELECT part FROM around)
         GROUP BY c.oid, c.conrelid, c.confrelid, c.confdeltype),
      placed AS (
        SELECT reference.*, confdeltype IN ('c', 'n', 'd') AS followed,
               (SELECT min(place) FROM given JOIN below ON below.top = given.rel
                 WHERE below.part = conrelid) AS refers_at,
               (SELECT min(place) FROM given JOIN around ON around.top = given.rel
                 WHERE around.part = confrelid) AS emptied_at,
               EXISTS (
                 SELECT FROM given JOIN below ON below.top = given.rel
                  WHERE below.part = conrelid
                    AND (column_name = '' OR column_name = by_key
                         OR confrelid NOT IN (
                              SELECT around.part FROM around JOIN parent ON around.top = parent.rel)))
                 AS declared,
               EXISTS (
                 SELECT FROM given JOIN below ON below.top = given.rel
                  WHERE below.part = conrelid AND column_name = ANY (columns)) AS column_given
          FROM reference),
      leads AS (
        SELECT refers_at AS origin, emptied_at AS reached FROM placed
        UNION
        SELECT leads.origin, placed.emptied_at
          FROM leads JOIN placed ON placed.refers_at = leads.reached),
      judged AS (
        SELECT placed.*,
               CASE WHEN NOT declared THEN 'UNDECLARED_CHILDREN'
                    WHEN refers_at >= emptied_at THEN
                      CASE WHEN NOT EXISTS (
                                  SELECT FROM leads
                                   WHERE origin = emptied_at AND reached = refers_at)
                           THEN 'WRONG_ORDER'
                           WHEN followed THEN 'CIRCULAR_REFERENCE' END
               END AS fault
          FROM placed)
      SELECT fault,
             cast(cast(conrelid AS regclass) AS text)
             || ' (' || array_to_string(columns, ', ') || ')'
             || CASE confdeltype WHEN 'c' THEN ' ON DELETE CASCADE'
                                 WHEN 'n' THEN ' ON DELETE SET NULL'
                                 WHEN 'd' THEN ' ON DELETE SET DEFAULT' ELSE '' END
             || ' refers to ' || cast(cast(confrelid AS regclass) AS text)
             || CASE WHEN column_given AND NOT declared
                     THEN ' (' || array_to_string(targets, ', ') || '), while the parent is given by '
                          || {3} ELSE '' END AS reference
        FROM judged
       WHERE fault IS NOT NULL
       ORDER BY 1, 2\
      """;

  private ForeignKeySql() {}

  /**
   * A foreign key that a cascade would come to grief by.
   *
   * @param reference who refers to whom, for people
   */
  record Fault(JobRefusedException.Reason reason, String reference) {}

  static List<Fault> faults(
      DSLContext dsl, Table<?> parent, String key, List<String> tables, List<String> columns) {
    return dsl.resultQuery(
            FIND_FAULTS,
            val(dsl.render(parent)),
            val(tables.toArray(String[]::new)),
            val(columns.toArray(String[]::new)),
            val(key))
        .fetch(
            row ->
                new Fault(
                    JobRefusedException.Reason.valueOf(row.get("fault", String.class)),
                    row.get("reference", String.class)));
  }
}

package dev.pgbelay.keyset;

/** What {@link KeysetCheck} asks the server. */
final class CheckSql {
  /** Of one relation, given as schema and name. */
  static final String FIND_COLUMNS =
      """
      select a.attname::text as name, a.attnotnull as not_null
      from pg_catalog.pg_attribute a
      join pg_catalog.pg_class c on c.oid = a.attrelid
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where n.nspname = ? and c.relname = ? and a.attnum > 0 and not a.attisdropped
      """;

  /** Of one relation; columns, collations and options of the key part, in index order. */
  static final String FIND_INDEXES =
      """
      select x.indexrelid::regclass::text as name,
             i.indisunique as is_unique,
             i.indisvalid as is_valid,
             i.indpred is not null as is_partial,
             i.indexprs is not null as has_expressions,
             array(
               select pg_catalog.pg_get_indexdef(i.indexrelid, k, true)
               from generate_series(1, i.indnkeyatts) k order by k) as columns,
             array(
               select coalesce(l.collname::text, '')
               from generate_series(0, i.indnkeyatts - 1) k
               left join pg_catalog.pg_collation l on l.oid = i.indcollation[k] order by k) as collations,
             array(
               select not o.opcdefault
               from generate_series(0, i.indnkeyatts - 1) k
               join pg_catalog.pg_opclass o on o.oid = i.indclass[k] order by k) as other_opclass,
             i.indoption::int2[]::int[] as options
      from (select indexrelid from pg_catalog.pg_index) x
      join pg_catalog.pg_index i on i.indexrelid = x.indexrelid
      join pg_catalog.pg_class t on t.oid = i.indrelid
      join pg_catalog.pg_namespace n on n.oid = t.relnamespace
      where n.nspname = ? and t.relname = ?
      order by 1
      """;

  /** The partitions with rows of a partitioned table; none for others. */
  static final String FIND_PARTITIONS =
      """
      select pn.nspname::text, pc.relname::text
      from pg_catalog.pg_class c
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      cross join lateral pg_catalog.pg_partition_tree(c.oid) t
      join pg_catalog.pg_class pc on pc.oid = t.relid
      join pg_catalog.pg_namespace pn on pn.oid = pc.relnamespace
      where n.nspname = ? and c.relname = ? and c.relkind = 'p' and t.isleaf and pc.relkind = 'r'
      order by 1, 2
      """;

  /** The partitioned table at the top, of one of its partitions. */
  static final String FIND_ROOT =
      """
      select rn.nspname::text, rc.relname::text
      from pg_catalog.pg_class c
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      join pg_catalog.pg_class rc on rc.oid = pg_catalog.pg_partition_root(c.oid)
      join pg_catalog.pg_namespace rn on rn.oid = rc.relnamespace
      where n.nspname = ? and c.relname = ? and c.relispartition
      """;

  private static final String PREPARE = "prepare %s as %s";
  private static final String EXPLAIN_EXECUTE = "explain (format json, verbose) execute %s%s";
  private static final String DEALLOCATE = "deallocate %s";
  private static final String CREATE_INDEX = "create index concurrently %s on %s (%s)";
  private static final String CREATE_INDEX_ON_ROOT = "create index %s on %s (%s)";

  private CheckSql() {}

  static String prepare(String name, String statement) {
    return PREPARE.formatted(name, statement);
  }

  /** With NULL for every parameter: a generic plan does not look at them. */
  static String explainExecute(String name, int parameters) {
    String nulls = parameters == 0 ? "" : "(null" + ", null".repeat(parameters - 1) + ")";
    return EXPLAIN_EXECUTE.formatted(name, nulls);
  }

  static String deallocate(String name) {
    return DEALLOCATE.formatted(name);
  }

  static String createIndex(String name, String table, String columns) {
    return CREATE_INDEX.formatted(name, table, columns);
  }

  static String createIndexOnRoot(String name, String table, String columns) {
    return CREATE_INDEX_ON_ROOT.formatted(name, table, columns);
  }
}

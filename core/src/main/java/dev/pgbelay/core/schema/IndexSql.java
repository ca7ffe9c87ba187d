package dev.pgbelay.core.schema;

/**
 * The statements around CREATE INDEX CONCURRENTLY. Placeholders in %s take quoted identifiers only.
 */
final class IndexSql {

  /** Bind: the table as written. One row if it exists. */
  static final String FIND_TABLE =
      """
      SELECT c.oid, c.relkind, n.nspname, c.relname
        FROM pg_catalog.pg_class c
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
       WHERE c.oid = pg_catalog.to_regclass(?)""";

  /**
   * Binds: schema, name. At most one row; the index columns are null where the name is not an
   * index.
   */
  static final String FIND_INDEX =
      """
      SELECT c.oid, i.indrelid, i.indisvalid, pg_catalog.pg_get_indexdef(i.indexrelid)
        FROM pg_catalog.pg_class c
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid
       WHERE n.nspname = ? AND c.relname = ?""";

  /**
   * Binds: schema, name. A row if a transaction that has not ended yet changed the index's entry.
   * Every transaction with an id holds a lock on it until its end is visible to new snapshots.
   */
  static final String FIND_ENDING_BUILD =
      """
      SELECT 1
        FROM pg_catalog.pg_class c
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid
        JOIN pg_catalog.pg_locks l ON l.locktype = 'transactionid' AND l.transactionid = i.xmax
       WHERE n.nspname = ? AND c.relname = ?""";

  /** Bind: the table's oid. The left-overs that an earlier call had set aside but not dropped. */
  static final String FIND_SET_ASIDE =
      """
      SELECT c.relname
        FROM pg_catalog.pg_index i
        JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
       WHERE i.indrelid = ? AND NOT i.indisvalid AND c.relname ~ '^pgbelay_invalid_[0-9]+$'
       ORDER BY c.oid""";

  /** Schema and table. Conflicts with every concurrent build, not with reads and writes. */
  static final String LOCK_OUT_BUILDERS = "LOCK TABLE %s IN SHARE UPDATE EXCLUSIVE MODE";

  /** Schema and index, new name. Takes no lock on the table. */
  static final String SET_ASIDE = "ALTER INDEX %s RENAME TO %s";

  static final String DROP_CONCURRENTLY = "DROP INDEX CONCURRENTLY IF EXISTS %s";

  /** Unique or nothing, index, table as written, the rest as written. */
  static final String BUILD = "CREATE %sINDEX CONCURRENTLY %s ON %s %s";

  /** Table. An empty copy on which the server spells a definition out; rolled back. */
  static final String MAKE_PROBE = "CREATE TEMPORARY TABLE pgbelay_index_probe (LIKE %s)";

  /** Unique or nothing, the rest as written. */
  static final String INDEX_PROBE =
      "CREATE %sINDEX pgbelay_index_probe_index ON pg_temp.pgbelay_index_probe %s";

  static final String SPELL_PROBE =
      "SELECT pg_catalog.pg_get_indexdef('pg_temp.pgbelay_index_probe_index'::pg_catalog.regclass)";

  private IndexSql() {}
}

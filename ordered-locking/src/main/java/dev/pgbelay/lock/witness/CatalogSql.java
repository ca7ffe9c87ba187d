package dev.pgbelay.lock.witness;

final class CatalogSql {
  /** Partitions stand for their root, so that both names are one class. */
  static final String TABLES =
      """
      SELECT c.oid,
             n.nspname,
             c.relname,
             c.relkind::text,
             c.relpersistence::text,
             rn.nspname,
             r.relname,
             CASE WHEN EXISTS (SELECT FROM pg_trigger t
                                WHERE t.tgrelid = c.oid AND NOT t.tgisinternal) THEN 'trigger'
                  WHEN EXISTS (SELECT FROM pg_rewrite w
                                WHERE w.ev_class = c.oid AND w.rulename <> '_RETURN') THEN 'rule'
                  ELSE '' END,
             coalesce(array_position(current_schemas(true), n.nspname), 10000),
             r.oid,
             (SELECT coalesce(array_agg(a.attname::text ORDER BY a.attnum), '{}')
                FROM pg_attribute a
               WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)
        FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_class r
          ON r.oid = CASE WHEN c.relispartition THEN coalesce(pg_partition_root(c.oid), c.oid)
                          ELSE c.oid END
        JOIN pg_namespace rn ON rn.oid = r.relnamespace
       WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
         AND n.nspname NOT LIKE 'pg\\_%'
         AND n.nspname <> 'information_schema'
      """;

  /** Unique keys, those first that rows are found by. */
  static final String UNIQUE_KEYS =
      """
      SELECT i.indrelid,
             i.indimmediate,
             array_agg(a.attname::text ORDER BY k.position),
             array_agg(t.typname::text ORDER BY k.position),
             array_agg(coalesce(cn.nspname, '')::text ORDER BY k.position),
             array_agg(coalesce(co.collname, '')::text ORDER BY k.position)
        FROM pg_index i
        JOIN pg_class c ON c.oid = i.indrelid
        JOIN pg_namespace n ON n.oid = c.relnamespace
       CROSS JOIN LATERAL unnest(i.indkey::smallint[]) WITH ORDINALITY AS k(attnum, position)
        JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
        JOIN pg_type t ON t.oid = a.atttypid
        LEFT JOIN pg_collation co ON co.oid = a.attcollation
        LEFT JOIN pg_namespace cn ON cn.oid = co.collnamespace
       WHERE i.indisunique
         AND i.indpred IS NULL
         AND i.indexprs IS NULL
         AND k.position <= i.indnkeyatts
         AND n.nspname NOT LIKE 'pg\\_%'
       GROUP BY i.indrelid, i.indexrelid, i.indimmediate, i.indisprimary
       ORDER BY i.indrelid, i.indisprimary DESC, i.indexrelid
      """;

  /** In the order in which the server's own triggers check them. */
  static final String FOREIGN_KEYS =
      """
      SELECT k.conname,
             k.conrelid,
             k.confrelid,
             k.confdeltype::text,
             k.confupdtype::text,
             k.condeferred,
             (SELECT array_agg(a.attname::text ORDER BY p.position)
                FROM unnest(k.conkey) WITH ORDINALITY AS p(attnum, position)
                JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = p.attnum),
             (SELECT array_agg(a.attname::text ORDER BY p.position)
                FROM unnest(k.confkey) WITH ORDINALITY AS p(attnum, position)
                JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = p.attnum)
        FROM pg_constraint k
       WHERE k.contype = 'f'
         AND k.conparentid = 0
       ORDER BY k.oid
      """;

  /** Those that can lock and whose text is not looked into; only volatile ones may lock. */
  static final String FUNCTIONS =
      """
      SELECT DISTINCT p.proname
        FROM pg_proc p
        JOIN pg_namespace n ON n.oid = p.pronamespace
        JOIN pg_language l ON l.oid = p.prolang
       WHERE p.provolatile = 'v'
         AND p.prokind IN ('f', 'w')
         AND l.lanname NOT IN ('internal', 'c')
         AND n.nspname NOT LIKE 'pg\\_%'
         AND n.nspname <> 'information_schema'
      """;

  private CatalogSql() {}
}

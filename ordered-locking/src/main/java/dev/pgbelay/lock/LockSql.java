package dev.pgbelay.lock;

/** The statements that do not depend on the table. */
final class LockSql {
  /**
   * What a class of rows must know of its table. Binds: the table's name, the key's columns twice.
   * An index serves if all its columns are among the key's, and if what it takes for equal is what
   * the columns do, by collation and by operator class; none covers the tables that inherit.
   */
  static final String DESCRIBE_TABLE =
      """
      WITH RECURSIVE relation AS (
        SELECT c.oid, c.relkind::text AS kind FROM pg_class c WHERE c.oid = to_regclass(?)),
      part AS (
        SELECT asked.ord, a.attnum, a.atttypid, a.attcollation
          FROM unnest(?::text[]) WITH ORDINALITY AS asked(name, ord)
          JOIN pg_attribute a
            ON a.attrelid = (SELECT oid FROM relation) AND a.attname = asked.name
           AND a.attnum > 0 AND NOT a.attisdropped),
      base(ord, type) AS (
        SELECT ord, atttypid FROM part
        UNION ALL
        SELECT base.ord, t.typbasetype
          FROM base JOIN pg_type t ON t.oid = base.type
         WHERE t.typtype = 'd')
      SELECT relation.kind,
             (SELECT array_agg(format_type(atttypid, -1) ORDER BY ord) FROM part),
             (SELECT array_agg(coalesce((
                       SELECT quote_ident(n.nspname) || '.' || quote_ident(l.collname)
                         FROM pg_collation l JOIN pg_namespace n ON n.oid = l.collnamespace
                        WHERE l.oid = attcollation), '') ORDER BY ord)
                FROM part),
             (SELECT array_agg(t.typname::text ORDER BY base.ord)
                FROM base JOIN pg_type t ON t.oid = base.type
               WHERE t.typtype <> 'd'),
             EXISTS (
               SELECT FROM pg_index i
                WHERE i.indrelid = relation.oid AND i.indisunique AND i.indisvalid AND i.indimmediate
                  AND i.indpred IS NULL AND i.indexprs IS NULL
                  AND (i.indkey::int2[])[0:(i.indnkeyatts - 1)]
                      <@ (SELECT array_agg(attnum) FROM part)
                  AND NOT EXISTS (
                    SELECT FROM generate_series(0, i.indnkeyatts - 1) AS place
                      JOIN part ON part.attnum = i.indkey[place]
                      JOIN pg_collation l ON l.oid = part.attcollation AND NOT l.collisdeterministic
                     WHERE i.indcollation[place] <> part.attcollation)
                  AND NOT EXISTS (
                    SELECT FROM generate_series(0, i.indnkeyatts - 1) AS place
                      JOIN pg_opclass own ON own.oid = i.indclass[place]
                     WHERE NOT EXISTS (
                       SELECT FROM pg_opclass usual
                         JOIN pg_amop mine
                           ON mine.amopfamily = own.opcfamily AND mine.amopstrategy = 3
                          AND mine.amoplefttype = own.opcintype
                          AND mine.amoprighttype = own.opcintype
                         JOIN pg_amop theirs
                           ON theirs.amopfamily = usual.opcfamily AND theirs.amopstrategy = 3
                          AND theirs.amoplefttype = usual.opcintype
                          AND theirs.amoprighttype = usual.opcintype
                          AND theirs.amopopr = mine.amopopr
                        WHERE usual.opcdefault AND usual.opcintype = own.opcintype
                          AND usual.opcmethod = own.opcmethod
                          AND usual.opcmethod = (SELECT oid FROM pg_am WHERE amname = 'btree'))))
             AND NOT (relation.kind = 'r'
                      AND EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = relation.oid)),
             (SELECT string_agg(DISTINCT conrelid::regclass::text, ', ')
                FROM pg_constraint
               WHERE contype = 'f' AND confrelid = relation.oid),
             current_database() || ' ' || coalesce(pg_partition_root(relation.oid), relation.oid)::oid
        FROM relation
      """;

  /** Which of the locks taken here are still held: a rollback to a savepoint sets this back. */
  static final String READ_EPOCH =
      """
      SELECT split_part(coalesce(current_setting('pgbelay.lock_epoch', true), ''), ' ', 1)
      """;

  /** Whether policies keep rows from this role. Binds: the table's name. */
  static final String HAS_POLICIES =
      """
      SELECT row_security_active(to_regclass(?))
      """;

  /**
   * Names in the order of their keys. The sub-select with an order is not pulled up, so the
   * function is called row by row in that order. A name that another one's key already stands for
   * is told apart by what is kept; the row is read after the lock was had, because whoever held it
   * before may have inserted it.
   *
   * <p>Binds: as {@link #BOUND}; then keys, names, new epoch, class twice.
   */
  static final String LOCK_NAMES = lockNames("pg_advisory_xact_lock(ordered.key) IS NOT NULL");

  /** The same without waiting. */
  static final String TRY_NAMES = lockNames("pg_try_advisory_xact_lock(ordered.key)");

  /**
   * Goes in front of every statement that locks, in one message with it: the wait must be bounded
   * before the server looks at that statement's tables, which it does before it runs it. The epoch
   * changes only if it is the expected one, and nothing is locked otherwise. Behind it stands what
   * {@code lock_timeout} was, to be put back behind the locks.
   *
   * <p>Binds: expected epoch, new epoch, wait twice.
   */
  static final String BOUND =
      """
      SELECT e.epoch,
             set_config('pgbelay.lock_epoch',
               CASE WHEN e.epoch = ? THEN ? ELSE e.epoch END
                 || ' ' || current_setting('lock_timeout'), true),
             set_config('lock_timeout',
               CASE WHEN current_setting('lock_timeout') = '0'
                      OR current_setting('lock_timeout')::interval > ?::interval
                    THEN ? ELSE current_setting('lock_timeout') END, true)
        FROM (SELECT split_part(coalesce(current_setting('pgbelay.lock_epoch', true), ''), ' ', 1)
                     AS epoch) AS e;
      """;

  /** What the statement behind {@link #BOUND} asks for first. Binds: the new epoch. */
  static final String IF_BOUND =
      "split_part(current_setting('pgbelay.lock_epoch', true), ' ', 1) = ?";

  /** What it ends in. */
  static final String UNBOUND =
      "set_config('lock_timeout', split_part(current_setting('pgbelay.lock_epoch'), ' ', 2), true)";

  /** Binds: the waiting process twice. */
  static final String FIND_HOLDERS =
      """
      WITH RECURSIVE waits(pid, blocker, depth) AS (
        SELECT me.pid, b, 1
          FROM pg_stat_activity me CROSS JOIN LATERAL unnest(pg_blocking_pids(me.pid)) AS b
         WHERE me.pid = ? AND me.wait_event_type = 'Lock' AND ltrim(me.query, E' \\n') LIKE '/* pgbelay.lock %'
        UNION
        SELECT w.blocker, b, w.depth + 1
          FROM waits w CROSS JOIN LATERAL unnest(pg_blocking_pids(w.blocker)) AS b
         WHERE w.depth < 8 AND w.blocker <> 0)
      SELECT blockers.pid, a.application_name, a.state,
             (extract(epoch FROM clock_timestamp() - a.xact_start) * 1000)::bigint,
             EXISTS (SELECT FROM waits WHERE waits.pid = blockers.pid)
        FROM (SELECT DISTINCT blocker AS pid FROM waits WHERE blocker <> ?) AS blockers
        LEFT JOIN pg_stat_activity a ON a.pid = blockers.pid AND blockers.pid <> 0
       ORDER BY 5, a.xact_start NULLS LAST
       LIMIT 20
      """;

  private static final String FORGET_NAMES =
      """
      DELETE FROM %s
       WHERE kept_at < clock_timestamp() - ?::bigint * interval '1 millisecond'
      """;

  private LockSql() {}

  private static String lockNames(String call) {
    return """
        /* pgbelay.lock %s names */
        WITH asked AS MATERIALIZED (
          SELECT a.key, a.name, a.n
            FROM unnest(?::bigint[], ?::text[]) WITH ORDINALITY AS a(key, name, n)
           WHERE current_setting('transaction_isolation') = 'read committed'
             AND %s),
        tried AS MATERIALIZED (
          SELECT ordered.*, %s AS got
            FROM (SELECT asked.* FROM asked ORDER BY asked.key, asked.n) AS ordered),
        kept AS (
          INSERT INTO %%s AS known (key, class, name)
          SELECT DISTINCT ON (t.key) t.key, ?, t.name FROM tried t
           WHERE t.got AND NOT EXISTS (SELECT FROM %%s k WHERE k.key = t.key)
           ORDER BY t.key, t.n
          ON CONFLICT (key) DO UPDATE SET key = excluded.key
          RETURNING known.key, known.class, known.name),
        names AS (
          SELECT key, class, name FROM kept
          UNION ALL
          SELECT k.key, k.class, k.name FROM %%s k WHERE k.key IN (SELECT key FROM asked)),
        done AS MATERIALIZED (
          SELECT array_agg(t.n) FILTER (WHERE t.got) AS locked,
                 array_agg(t.n) FILTER (WHERE EXISTS (
                   SELECT FROM names k
                    WHERE k.key = t.key AND (k.class <> ? OR k.name <> t.name))) AS shared
            FROM tried t)
        SELECT done.locked, done.shared, current_setting('transaction_isolation'), %s FROM done
        """
        .formatted("%s", IF_BOUND, call, UNBOUND);
  }

  static String lockNames(boolean waiting, String lockClass, String table) {
    return "/* pgbelay.lock %s names */\n".formatted(lockClass)
        + BOUND
        + (waiting ? LOCK_NAMES : TRY_NAMES).formatted(lockClass, table, table, table);
  }

  static String forgetNames(String table) {
    return FORGET_NAMES.formatted(table);
  }
}

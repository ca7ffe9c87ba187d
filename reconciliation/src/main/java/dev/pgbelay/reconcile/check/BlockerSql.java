package dev.pgbelay.reconcile.check;

import static org.jooq.impl.DSL.val;

import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jooq.DSLContext;
import org.jooq.Record;

/** Who holds locks on tables, and whether he still runs. */
final class BlockerSql {
  /**
   * Partitions, and tables that inherit, are written by their own names too. Those who only wait
   * for their lock count. {0}: names of tables
   */
  private static final String LIST =
      """
      SELECT DISTINCT l.virtualtransaction AS transaction, l.pid,
             coalesce(p.gid, a.application_name, '') AS application,
             coalesce(p.prepared, a.xact_start) AS since
        FROM pg_locks l
        LEFT JOIN pg_stat_activity a ON a.pid = l.pid
        LEFT JOIN pg_locks x
          ON l.pid IS NULL AND x.pid IS NULL AND x.locktype = 'transactionid'
         AND x.virtualtransaction = l.virtualtransaction
        LEFT JOIN pg_prepared_xacts p ON p.transaction = x.transactionid
       WHERE l.locktype = 'relation'
         AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
         AND l.relation IN (
               WITH RECURSIVE tree(relid) AS (
                 SELECT cast(to_regclass(name) AS oid) FROM unnest(cast({0} AS text[])) AS asked(name)
                 UNION
                 SELECT i.inhrelid FROM pg_inherits i JOIN tree ON i.inhparent = tree.relid)
               SELECT relid FROM tree)
         AND l.pid IS DISTINCT FROM pg_backend_pid()
         AND coalesce(a.backend_type, '') <> 'autovacuum worker'\
      """;

  /**
   * A transaction holds a lock on itself until it ends, a prepared one under the same name until
   * the server is started again, or another one is promoted. Then it is named by its own id, and
   * nobody else is.
   */
  private static final String FIND_RUNNING =
      """
      SELECT DISTINCT virtualtransaction FROM pg_locks
       WHERE virtualtransaction = ANY (cast({0} AS text[])) OR virtualtransaction LIKE '-1/%'\
      """;

  private static final String RENAMED = "-1/";

  private static final String NOW = "SELECT clock_timestamp() AS now";

  private BlockerSql() {}

  static Instant now(DSLContext dsl) {
    return dsl.resultQuery(NOW).fetchSingle().get("now", Instant.class);
  }

  static List<Blocker> list(DSLContext dsl, List<String> tables) {
    return dsl.resultQuery(LIST, val(tables.toArray(String[]::new))).fetch(BlockerSql::blocker);
  }

  /**
   * Those of them that have not ended, and those that may be some of them under another name.
   *
   * @param tables of which they held locks
   */
  static List<Blocker> running(DSLContext dsl, List<Blocker> listed, List<String> tables) {
    String[] transactions = listed.stream().map(Blocker::transaction).toArray(String[]::new);
    List<String> there =
        dsl.resultQuery(FIND_RUNNING, val(transactions)).fetch().getValues(0, String.class);
    List<Blocker> running =
        new ArrayList<>(
            listed.stream().filter(each -> there.contains(each.transaction())).toList());
    if (there.stream().anyMatch(each -> each.startsWith(RENAMED))) {
      list(dsl, tables).stream()
          .filter(each -> each.transaction().startsWith(RENAMED))
          .filter(each -> !running.contains(each))
          .forEach(running::add);
    }
    return running;
  }

  private static Blocker blocker(Record row) {
    return new Blocker(
        row.get("transaction", String.class),
        Optional.ofNullable(row.get("pid", Integer.class)),
        row.get("application", String.class),
        Optional.ofNullable(row.get("since", Instant.class)));
  }
}

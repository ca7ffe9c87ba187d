package dev.pgbelay.outbox;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.HashSet;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** The statements that tell which ids may still appear. */
final class MarkSql {
  /** The log that the last id drawn stands in is not on disk. */
  static final String LOG = "log";

  /** The server has crashed since the last id was drawn. */
  static final String CRASHED = "crashed";

  /**
   * A sequence from which nothing was drawn says the first that will be. Statistics are begun anew
   * by every recovery from a crash.
   */
  private static final String READ_LAST_DRAWN =
      """
      SELECT last_value - CASE WHEN is_called THEN 0 ELSE 1 END,
             pg_catalog.pg_current_wal_insert_lsn(),
             (SELECT CAST(EXTRACT(EPOCH FROM w.stats_reset) AS text)
                FROM pg_catalog.pg_stat_wal AS w)
        FROM <sequence>\
      """;

  private static final String LIST_WRITERS =
      """
      SELECT '<log>' WHERE pg_catalog.pg_current_wal_flush_lsn() < CAST(? AS pg_lsn)
      UNION ALL
      SELECT '<crashed>'
        FROM pg_catalog.pg_stat_wal AS w
       WHERE CAST(EXTRACT(EPOCH FROM w.stats_reset) AS text) IS DISTINCT FROM ?
      UNION ALL
      SELECT DISTINCT l.virtualtransaction
        FROM pg_catalog.pg_locks AS l
       WHERE l.locktype = 'relation' AND l.mode = 'RowExclusiveLock' AND l.granted
         AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d
                            WHERE d.datname = current_database())
         AND l.relation = CAST('<message>' AS regclass)\
      """;

  private final String readLastDrawn;
  private final String listWriters;

  MarkSql(String schema) {
    TablesSql tables = new TablesSql(schema);
    this.readLastDrawn = tables.fill(READ_LAST_DRAWN);
    this.listWriters =
        tables.fill(LIST_WRITERS.replace("<log>", LOG).replace("<crashed>", CRASHED));
  }

  /**
   * What a sequence has said.
   *
   * @param upTo where the log ended behind that; a crash can only take it back while this is not on
   *     disk
   * @param since when the server recovered from a crash, or when statistics were reset
   */
  record Drawn(long id, String upTo, @Nullable String since) {}

  Drawn lastDrawn(Transactions transactions, TxOptions options) throws SQLException {
    return transactions.runStatement(
        options,
        readLastDrawn,
        none -> {},
        select -> {
          try (ResultSet row = select.getResultSet()) {
            row.next();
            return new Drawn(row.getLong(1), row.getString(2), row.getString(3));
          }
        });
  }

  /** What a prepared transaction is called since the server was restarted; not before. */
  static boolean wasPrepared(String writer) {
    return writer.startsWith("-1/");
  }

  /**
   * Transactions that have written messages or may be about to; {@link #LOG} and {@link #CRASHED}
   * where that is so.
   */
  Set<String> writers(Transactions transactions, TxOptions options, Drawn since)
      throws SQLException {
    return transactions.runStatement(
        options,
        listWriters,
        select -> {
          select.setString(1, since.upTo());
          select.setString(2, since.since());
        },
        select -> {
          Set<String> found = new HashSet<>();
          try (ResultSet row = select.getResultSet()) {
            while (row.next()) {
              found.add(row.getString(1));
            }
          }
          return found;
        });
  }
}

package dev.pgbelay.outbox;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.HashSet;
import java.util.Set;

/** The statements that tell which ids may still appear. */
final class MarkSql {
  /** A sequence from which nothing was drawn says the first that will be. */
  private static final String READ_LAST_DRAWN =
      "SELECT last_value - CASE WHEN is_called THEN 0 ELSE 1 END FROM <sequence>";

  private static final String LIST_WRITERS =
      """
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
    this.listWriters = tables.fill(LIST_WRITERS);
  }

  long lastDrawn(Transactions transactions, TxOptions options) throws SQLException {
    return transactions.runStatement(
        options,
        readLastDrawn,
        none -> {},
        select -> {
          try (ResultSet row = select.getResultSet()) {
            row.next();
            return row.getLong(1);
          }
        });
  }

  /** What a prepared transaction is called since the server was restarted; not before. */
  static boolean wasPrepared(String writer) {
    return writer.startsWith("-1/");
  }

  /** Transactions that have written messages or may be about to. */
  Set<String> writers(Transactions transactions, TxOptions options) throws SQLException {
    return transactions.runStatement(
        options,
        listWriters,
        none -> {},
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

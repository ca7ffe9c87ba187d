package dev.pgbelay.jobqueue;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.Optional;

/**
 * The statement that reads a payload which a claim has left in the database because it is large:
 * what waits for a thread would else take as much of the heap as the payloads happen to have.
 * Without a fence, since payloads never change: a claim that has passed on is noticed by what is
 * written.
 */
final class PayloadSql {
  private static final TxOptions READ = TxOptions.forPath("jobqueue-payload");

  /** Binds the id. */
  private static final String READ_PAYLOAD = "SELECT j.payload FROM <job> AS j WHERE j.id = ?";

  private final String readPayload;

  PayloadSql(String schema) {
    this.readPayload = new TablesSql(schema).fill(READ_PAYLOAD);
  }

  /** In a transaction of its own; empty if there is no such job any more. */
  Optional<byte[]> read(Transactions transactions, long id) throws SQLException {
    return transactions.runStatement(
        READ, readPayload, select -> select.setLong(1, id), PayloadSql::first);
  }

  private static Optional<byte[]> first(PreparedStatement select) throws SQLException {
    try (ResultSet row = select.getResultSet()) {
      return row.next() ? Optional.of(row.getBytes(1)) : Optional.empty();
    }
  }
}

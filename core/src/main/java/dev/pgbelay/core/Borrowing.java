package dev.pgbelay.core;

import dev.pgbelay.core.internal.PgDriver;
import java.sql.Connection;
import java.sql.SQLException;
import javax.sql.DataSource;

/** How a path gets the connection for one transaction. */
record Borrowing(DataSource dataSource, String path) {

  /**
   * A connection on which nothing has begun.
   *
   * @throws TransactionException if there is none to be had
   */
  Connection connect() {
    Connection connection;
    try {
      connection = dataSource.getConnection();
    } catch (SQLException e) {
      FailureKind kind = Failures.whileConnecting(e);
      throw new TransactionException(kind, "path '" + path + "' " + whyNotConnected(kind), e);
    }
    refuseInsideForeignTransaction(connection);
    return connection;
  }

  private String whyNotConnected(FailureKind kind) {
    if (kind != FailureKind.POOL_EXHAUSTED) {
      return "could not connect; nothing was begun";
    }
    OwnedTx outer = OpenTransactions.ownedOn(dataSource);
    return "got no connection from the pool in time; nothing was begun. "
        + (outer == null
            ? "Look for the path that holds them, and bound it with a bulkhead"
            : "This thread holds one itself, in the open transaction of path '"
                + outer.path()
                + "': where every thread does that, all wait for each other. Bound that path with"
                + " a bulkhead below the pool's size, or join it");
  }

  /** Otherwise what somebody else has begun on it would be committed, or rolled back, with ours. */
  private void refuseInsideForeignTransaction(Connection connection) {
    try {
      if (PgDriver.state(PgDriver.unwrap(connection)) == PgDriver.State.IDLE) {
        return;
      }
      connection.close();
    } catch (SQLException e) {
      throw new TransactionException(
          Failures.whileConnecting(e), "path '" + path + "' could not begin", e);
    }
    throw new TransactionException(
        FailureKind.MISUSE,
        "path '"
            + path
            + "' was given a connection with a transaction already open on it. Enter that one with"
            + " Tx.join, or have the DataSource hand out connections of their own",
        null);
  }
}

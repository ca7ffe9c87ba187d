package dev.pgbelay.core;

import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.util.ArrayDeque;
import java.util.Deque;
import org.jooq.TransactionContext;
import org.jooq.TransactionProvider;
import org.jooq.exception.DataAccessException;

/**
 * jOOQ's own transactions inside a {@link Tx}: savepoints, at every depth. jOOQ's provider would
 * take the outermost one for a transaction of its own and commit the connection.
 */
final class SavepointTransactions implements TransactionProvider {
  private final Connection connection;
  private final Deque<Savepoint> savepoints = new ArrayDeque<>();

  /**
   * @param connection the guarded one, which forgets what was rolled back
   */
  SavepointTransactions(Connection connection) {
    this.connection = connection;
  }

  @Override
  public void begin(TransactionContext context) {
    try {
      savepoints.push(connection.setSavepoint());
    } catch (SQLException e) {
      throw new DataAccessException("savepoint could not be set", e);
    }
  }

  @Override
  public void commit(TransactionContext context) {
    try {
      connection.releaseSavepoint(savepoints.pop());
    } catch (SQLException e) {
      throw new DataAccessException("savepoint could not be released", e);
    }
  }

  @Override
  public void rollback(TransactionContext context) {
    Savepoint savepoint = savepoints.pop();
    try {
      connection.rollback(savepoint);
      connection.releaseSavepoint(savepoint);
    } catch (SQLException e) {
      throw new DataAccessException("savepoint could not be rolled back to", e);
    }
  }
}

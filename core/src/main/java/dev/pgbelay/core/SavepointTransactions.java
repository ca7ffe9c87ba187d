package dev.pgbelay.core;

import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Savepoint;
import org.jooq.Transaction;
import org.jooq.TransactionContext;
import org.jooq.TransactionProvider;
import org.jooq.exception.DataAccessException;

/**
 * jOOQ's own transactions inside a {@link Tx}: savepoints, at every depth. jOOQ's provider would
 * take the outermost one for a transaction of its own and commit the connection.
 *
 * <p>Each block keeps its savepoint in jOOQ's context of it. jOOQ rolls back after a begin or a
 * commit that failed as well, and that must never reach the savepoint of the block around it.
 */
final class SavepointTransactions implements TransactionProvider {
  private record Block(Savepoint savepoint) implements Transaction {}

  private final Connection connection;

  /**
   * @param connection the guarded one, which forgets what was rolled back
   */
  SavepointTransactions(Connection connection) {
    this.connection = connection;
  }

  @Override
  public void begin(TransactionContext context) {
    try {
      context.transaction(new Block(connection.setSavepoint()));
    } catch (SQLException e) {
      throw new DataAccessException("savepoint could not be set", e);
    }
  }

  /** Fails if a statement of the block has failed: then the block is rolled back. */
  @Override
  public void commit(TransactionContext context) {
    if (!(context.transaction() instanceof Block block)) {
      return;
    }
    try {
      connection.releaseSavepoint(block.savepoint());
    } catch (SQLException e) {
      throw new DataAccessException("savepoint could not be released", e);
    }
  }

  @Override
  public void rollback(TransactionContext context) {
    if (!(context.transaction() instanceof Block block)) {
      return; // It never began.
    }
    try {
      connection.rollback(block.savepoint());
      connection.releaseSavepoint(block.savepoint());
    } catch (SQLException e) {
      throw new DataAccessException("savepoint could not be rolled back to", e);
    }
  }
}

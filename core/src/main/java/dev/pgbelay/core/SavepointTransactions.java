package dev.pgbelay.core;

import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.function.Consumer;
import org.jooq.TransactionContext;
import org.jooq.TransactionProvider;
import org.jooq.exception.DataAccessException;

/**
 * jOOQ's own transactions inside a {@link Tx}: savepoints, at every depth. jOOQ's provider would
 * take the outermost one for a transaction of its own and commit the connection.
 */
final class SavepointTransactions implements TransactionProvider {
  private record Level(Savepoint savepoint, int hooks) {}

  private final Connection connection;
  private final List<Consumer<? super Commit<?>>> hooks;
  private final Deque<Level> levels = new ArrayDeque<>();

  SavepointTransactions(Connection connection, List<Consumer<? super Commit<?>>> hooks) {
    this.connection = connection;
    this.hooks = hooks;
  }

  @Override
  public void begin(TransactionContext context) {
    try {
      levels.push(new Level(connection.setSavepoint(), hooks.size()));
    } catch (SQLException e) {
      throw new DataAccessException("savepoint could not be set", e);
    }
  }

  @Override
  public void commit(TransactionContext context) {
    try {
      connection.releaseSavepoint(levels.pop().savepoint());
    } catch (SQLException e) {
      throw new DataAccessException("savepoint could not be released", e);
    }
  }

  @Override
  public void rollback(TransactionContext context) {
    Level level = levels.pop();
    hooks.subList(level.hooks(), hooks.size()).clear();
    try {
      connection.rollback(level.savepoint());
      connection.releaseSavepoint(level.savepoint());
    } catch (SQLException e) {
      throw new DataAccessException("savepoint could not be rolled back to", e);
    }
  }
}

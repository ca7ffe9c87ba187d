package dev.pgbelay.batch;

import dev.pgbelay.core.internal.PgDriver;
import java.sql.Array;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayDeque;
import java.util.Deque;
import org.jooq.BindContext;
import org.jooq.DSLContext;
import org.jspecify.annotations.Nullable;
import org.postgresql.PGConnection;
import org.postgresql.copy.CopyIn;

/**
 * The caller's connection for the length of one call. Savepoints travel in one message with the
 * statements they guard, so that a call which fits into one statement costs one round trip.
 */
final class BatchConnection {
  /** What to bind at the slots of a statement. */
  interface Values {
    Array values(int column) throws SQLException;

    Array defaults(int column) throws SQLException;

    long from();

    long to();

    long firstGroup();

    long endGroup();

    Array excluded() throws SQLException;
  }

  /** Takes one row of a result. */
  interface RowReader {
    void read(ResultSet row) throws SQLException;
  }

  private final Connection connection;
  private final PGConnection driver;
  private final DSLContext dsl;
  private final Deque<String> open = new ArrayDeque<>();
  private @Nullable String pending;
  private long statements;

  BatchConnection(Connection connection, DSLContext dsl) throws SQLException {
    this.connection = connection;
    this.driver = PgDriver.unwrap(connection);
    this.dsl = dsl;
    if (!PgDriver.sendsBinary(driver)) {
      throw BatchException.contract(
          "the connection has preferQueryMode=simple, which sends no typed parameters; leave it at"
              + " its default (behind an old PgBouncer, prepareThreshold=0 is enough)");
    }
  }

  Connection connection() {
    return connection;
  }

  PGConnection driver() {
    return driver;
  }

  long statements() {
    return statements;
  }

  /** Opens a savepoint with the next statement. */
  void savepoint(String name) throws SQLException {
    flush();
    pending = name;
  }

  /** Sends a savepoint that no statement has taken along. */
  void flush() throws SQLException {
    if (pending != null) {
      String name = pending;
      pending = null;
      command(WriteSql.savepoint(name));
      open.push(name);
    }
  }

  void release() throws SQLException {
    if (pending != null) {
      pending = null;
      return;
    }
    command(WriteSql.release(open.pop()));
  }

  void rollback() throws SQLException {
    if (pending != null) {
      pending = null;
      return;
    }
    String name = open.pop();
    command(WriteSql.undo(name));
  }

  /**
   * Rolls back to where the savepoint was opened, and forgets it.
   *
   * @param failure what happened, so that a connection that is gone as well does not hide it
   */
  void unwind(String name, @Nullable Throwable failure) throws SQLException {
    try {
      while (isOpen(name)) {
        rollback();
      }
    } catch (SQLException e) {
      if (failure == null) {
        throw e;
      }
      open.clear();
      failure.addSuppressed(e);
    }
  }

  /** Back to the savepoint, which stays. */
  void rewind() throws SQLException {
    if (pending == null) {
      command(WriteSql.rollback(open.element()));
    }
  }

  /** Makes the transaction, or what is behind its innermost savepoint, impossible to commit. */
  void abort(Throwable cause) {
    try {
      command(WriteSql.ABORT);
    } catch (SQLException e) {
      cause.addSuppressed(e);
    }
  }

  boolean isOpen(String name) {
    return name.equals(pending) || open.contains(name);
  }

  int depth() {
    return open.size() + (pending == null ? 0 : 1);
  }

  void command(String sql) throws SQLException {
    try (Statement statement = connection.createStatement()) {
      statements++;
      statement.execute(sql);
    }
  }

  void command(StatementSql sql) throws SQLException {
    flush();
    command(sql.text());
  }

  /** Runs a statement that counts rows. */
  long update(StatementSql sql, Values values, boolean thenRelease) throws SQLException {
    return run(sql, values, thenRelease, null);
  }

  /** Runs a statement that returns rows. */
  void query(StatementSql sql, Values values, boolean thenRelease, RowReader reader)
      throws SQLException {
    run(sql, values, thenRelease, reader);
  }

  private long run(StatementSql sql, Values values, boolean thenRelease, @Nullable RowReader reader)
      throws SQLException {
    String before = pending == null ? "" : WriteSql.savepoint(pending) + ";\n";
    boolean releases = thenRelease && depth() > 0;
    String name = pending != null ? pending : releases ? open.element() : "";
    String after = releases ? WriteSql.release(name) : "";
    String text = WriteSql.guarded(before, sql.text(), after);
    int skip = before.isEmpty() ? 0 : 1;
    try (PreparedStatement statement = connection.prepareStatement(text)) {
      bind(statement, sql, values);
      if (pending != null) {
        open.push(pending);
        pending = null;
      }
      statements++;
      boolean rows = execute(statement, before.isEmpty());
      for (int i = 0; i < skip; i++) {
        rows = statement.getMoreResults();
      }
      long count = 0;
      if (rows && reader != null) {
        try (ResultSet result = statement.getResultSet()) {
          while (result.next()) {
            reader.read(result);
          }
        }
      } else {
        count = statement.getLargeUpdateCount();
      }
      if (releases) {
        open.pop();
      }
      return count;
    }
  }

  private boolean execute(PreparedStatement statement, boolean alone) throws SQLException {
    try {
      return statement.execute();
    } catch (SQLException e) {
      if (!alone
          && !PgDriver.isFromServer(e)
          && PgDriver.state(driver) != PgDriver.State.FAILED
          && !PgDriver.isClosed(driver)) {
        // The driver itself refused: the savepoint was never sent.
        pending = open.pop();
      }
      throw e;
    }
  }

  CopyIn copyIn(StatementSql sql) throws SQLException {
    flush();
    statements++;
    return driver.getCopyAPI().copyIn(sql.text());
  }

  @SuppressWarnings("removal") // the one public way to let jOOQ bind a value to a statement
  private void bind(PreparedStatement statement, StatementSql sql, Values values)
      throws SQLException {
    BindContext context = dsl.bindContext(statement);
    for (StatementSql.Slot slot : sql.slots()) {
      if (slot instanceof StatementSql.Slot.Value own) {
        context.bindValue(own.param().getValue(), own.param());
        continue;
      }
      int index = context.nextIndex();
      if (slot instanceof StatementSql.Slot.Values column) {
        statement.setArray(index, values.values(column.column()));
      } else if (slot instanceof StatementSql.Slot.Defaults column) {
        statement.setArray(index, values.defaults(column.column()));
      } else if (slot instanceof StatementSql.Slot.From) {
        statement.setLong(index, values.from());
      } else if (slot instanceof StatementSql.Slot.To) {
        statement.setLong(index, values.to());
      } else if (slot instanceof StatementSql.Slot.FirstGroup) {
        statement.setLong(index, values.firstGroup());
      } else if (slot instanceof StatementSql.Slot.EndGroup) {
        statement.setLong(index, values.endGroup());
      } else {
        statement.setArray(index, values.excluded());
      }
    }
  }
}

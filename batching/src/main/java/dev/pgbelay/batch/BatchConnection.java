package dev.pgbelay.batch;

import dev.pgbelay.core.internal.PgDriver;
import java.sql.Array;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
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

  /** Savepoints that the next statement takes along, the outermost first. */
  private final List<String> pending = new ArrayList<>();

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

  /** Opens a savepoint with the next statement that is sent. */
  void savepoint(String name) {
    pending.add(name);
  }

  /** Sends savepoints that no statement has taken along. */
  void flush() throws SQLException {
    if (!pending.isEmpty()) {
      command(WriteSql.savepoints(pending));
      opened();
    }
  }

  private void opened() {
    pending.forEach(open::push);
    pending.clear();
  }

  void release() throws SQLException {
    if (!isOnlyPending()) {
      command(WriteSql.release(open.pop()));
    }
  }

  /** Releases the savepoint with all that were opened behind it, after a last statement. */
  void releaseWith(String name, StatementSql last) throws SQLException {
    command(WriteSql.guarded("", last.text(), WriteSql.release(name)));
    forget(name);
  }

  /** Releases the savepoint with all that were opened behind it. */
  void release(String name) throws SQLException {
    pending.clear();
    if (open.contains(name)) {
      command(WriteSql.release(name));
      forget(name);
    }
  }

  private void forget(String name) {
    while (!open.pop().equals(name)) {
      // Released with it.
    }
  }

  void rollback() throws SQLException {
    if (!isOnlyPending()) {
      command(WriteSql.undo(open.pop()));
    }
  }

  /** The innermost savepoint was never sent: then it is forgotten, and nothing is to be done. */
  private boolean isOnlyPending() {
    if (pending.isEmpty()) {
      return false;
    }
    pending.remove(pending.size() - 1);
    return true;
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
      pending.clear();
      failure.addSuppressed(e);
    }
  }

  /** Back to the savepoint, which stays. */
  void rewind() throws SQLException {
    if (pending.isEmpty()) {
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
    return pending.contains(name) || open.contains(name);
  }

  void command(String sql) throws SQLException {
    try (Statement statement = connection.createStatement()) {
      statements++;
      statement.execute(sql);
    }
  }

  void command(StatementSql sql) throws SQLException {
    String text = WriteSql.guarded(before(), sql.text(), "");
    opened();
    command(text);
  }

  private String before() {
    return pending.isEmpty() ? "" : WriteSql.savepoints(pending) + ";\n";
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
    int skip = pending.size();
    boolean releases = thenRelease && skip + open.size() > 0;
    String innermost = skip > 0 ? pending.get(skip - 1) : releases ? open.element() : "";
    String after = releases ? WriteSql.release(innermost) : "";
    String text = WriteSql.guarded(before(), sql.text(), after);
    try (PreparedStatement statement = connection.prepareStatement(text)) {
      bind(statement, sql, values);
      opened();
      statements++;
      boolean rows = execute(statement, skip);
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

  /**
   * @param taken how many savepoints the statement takes along
   */
  private boolean execute(PreparedStatement statement, int taken) throws SQLException {
    try {
      return statement.execute();
    } catch (SQLException e) {
      if (taken > 0
          && !PgDriver.isFromServer(e)
          && PgDriver.state(driver) != PgDriver.State.FAILED
          && !PgDriver.isClosed(driver)) {
        // The driver itself refused: the savepoints were never sent.
        for (int i = 0; i < taken; i++) {
          pending.add(0, open.pop());
        }
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

package dev.pgbelay.lock;

import dev.pgbelay.core.Tx;
import dev.pgbelay.core.internal.StatementStart;
import dev.pgbelay.lock.LockOptions.Policy;
import dev.pgbelay.lock.OrderCheck.Request;
import dev.pgbelay.lock.OrderCheck.Step;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Types;
import java.util.ArrayList;
import java.util.List;

/** Sends the statements of one acquire, each of them one round trip. */
final class LockStatements {
  private final Tx tx;
  private final Connection connection;
  private final LockOptions options;

  LockStatements(Tx tx, Connection connection, LockOptions options) {
    this.tx = tx;
    this.connection = connection;
    this.options = options;
  }

  /** What binds the statement to the transaction as it is thought to be. */
  record Bounds(long waitMillis, String epoch, int nextEpoch) {
    private int bind(PreparedStatement lock) throws SQLException {
      lock.setLong(1, waitMillis);
      lock.setLong(2, waitMillis);
      lock.setString(3, epoch);
      lock.setString(4, Integer.toString(nextEpoch));
      return 5;
    }
  }

  LockReply lockRows(LockTable table, Step step, Bounds bounds) throws SQLException {
    LockClass lockClass = step.request().lockClass();
    String sql =
        RowLockSql.lock(
            table,
            lockClass.name(),
            new LockTable.Shape(lockClass.mode(), options.policy(), options.rows()));
    try (PreparedStatement lock = prepare(sql)) {
      int next = bounds.bind(lock);
      bindKeys(lock, next, step.sent(), table);
      lock.setString(next + table.columns().size(), Integer.toString(bounds.nextEpoch()));
      Before before = execute(lock);
      try (ResultSet result = behind(lock)) {
        return options.rows()
            ? LockReply.withRows(before, tx.dsl(), lockClass, result)
            : LockReply.ofOrdinals(before, result);
      }
    }
  }

  LockReply lockNames(LockOrder order, Step step, Bounds bounds) throws SQLException {
    LockClass lockClass = step.request().lockClass();
    String sql =
        LockSql.lockNames(
            options.policy() == Policy.WAIT, lockClass.name(), order.catalog().nameTable());
    try (PreparedStatement lock = prepare(sql)) {
      int next = bounds.bind(lock);
      lock.setObject(next, KeyText.array(step.sent(), 0), Types.OTHER);
      lock.setArray(
          next + 1,
          connection.createArrayOf(
              "text", step.sent().stream().map(each -> each.key().get(0)).toArray()));
      lock.setString(next + 2, Integer.toString(bounds.nextEpoch()));
      lock.setString(next + 3, lockClass.name());
      lock.setString(next + 4, lockClass.name());
      Before before = execute(lock);
      try (ResultSet result = behind(lock)) {
        LockReply reply = LockReply.ofOrdinals(before, result);
        for (int shared : LockTable.ordinals(result, 2)) {
          order.meters().nameShared(lockClass.name());
          LockReply.warnOfSharedKey(step.sent().get(shared - 1));
        }
        return reply;
      }
    }
  }

  /** What the statement in front of the one that locks found. */
  record Before(String epoch, String isolation) {}

  private static Before execute(PreparedStatement lock) throws SQLException {
    lock.execute();
    try (ResultSet before = lock.getResultSet()) {
      before.next();
      return new Before(before.getString(1), before.getString(2));
    }
  }

  private static ResultSet behind(PreparedStatement lock) throws SQLException {
    lock.getMoreResults();
    return lock.getResultSet();
  }

  /** Those of the rows that a new look finds, without locking them. */
  List<Resource> existing(LockTable table, List<Resource> rows) throws SQLException {
    try (PreparedStatement look = prepare(RowLockSql.existing(table))) {
      bindKeys(look, 1, rows, table);
      try (ResultSet result = look.executeQuery()) {
        result.next();
        List<Resource> existing = new ArrayList<>();
        for (int ordinal : LockTable.ordinals(result, 1)) {
          existing.add(rows.get(ordinal - 1));
        }
        return existing;
      }
    }
  }

  /**
   * Whether a policy hides a row from locks that a plain look finds. May leave the transaction
   * aborted: for use when it is to be rolled back anyway.
   */
  boolean isHiddenByPolicy(LockTable table, Request request, Resource row, Bounds bounds)
      throws SQLException {
    try (PreparedStatement ask = prepare(LockSql.HAS_POLICIES)) {
      ask.setString(1, table.name());
      try (ResultSet result = ask.executeQuery()) {
        if (!result.next() || !result.getBoolean(1)) {
          return false;
        }
      }
    }
    List<Resource> one = List.of(row);
    try {
      return new LockStatements(tx, connection, options.noWait())
          .lockRows(table, new Step(request, one, one), bounds)
          .ordinals()
          .isEmpty();
    } catch (SQLException e) {
      if ("55P03".equals(e.getSQLState())) {
        return false;
      }
      throw e;
    }
  }

  String readEpoch() throws SQLException {
    try (PreparedStatement ask = prepare(LockSql.READ_EPOCH);
        ResultSet row = ask.executeQuery()) {
      row.next();
      return row.getString(1);
    }
  }

  private PreparedStatement prepare(String sql) throws SQLException {
    StatementStart.announce(tx.dsl().configuration());
    return connection.prepareStatement(sql);
  }

  private static void bindKeys(
      PreparedStatement statement, int first, List<Resource> resources, LockTable table)
      throws SQLException {
    for (int part = 0; part < table.columns().size(); part++) {
      statement.setObject(first + part, KeyText.array(resources, part), Types.OTHER);
    }
  }
}

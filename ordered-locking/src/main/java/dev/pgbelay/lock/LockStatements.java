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
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/** Sends the statements of one acquire, each of them one round trip. */
final class LockStatements {
  private final Tx tx;
  private final Connection connection;
  private final LockOptions options;
  private boolean answered;

  LockStatements(Tx tx, Connection connection, LockOptions options) {
    this.tx = tx;
    this.connection = connection;
    this.options = options;
  }

  /**
   * What binds the statement to the transaction as it is thought to be.
   *
   * @param longest wait for a lock, as the server writes it
   */
  record Bounds(String longest, String epoch, int next, String nextEpoch) {
    static Bounds of(Duration wait, HeldLocks held) {
      int next = held.nextEpoch();
      return new Bounds(wait.toMillis() + "ms", held.epoch(), next, held.text(next));
    }

    private int bind(PreparedStatement lock) throws SQLException {
      lock.setString(1, epoch);
      lock.setString(2, nextEpoch);
      lock.setString(3, longest);
      lock.setString(4, longest);
      return 5;
    }
  }

  /**
   * Whether the server has run the last statement that locks, whatever then became of its answer.
   */
  boolean isAnswered() {
    return answered;
  }

  LockReply lockRows(LockTable table, Step step, Bounds bounds) throws SQLException {
    LockClass lockClass = step.request().lockClass();
    List<Resource> sent = step.sent();
    LockTable.Shape shape = new LockTable.Shape(lockClass.mode(), options.policy(), options.rows());
    boolean byValue = !options.rows() && table.isLockedByValue();
    try (PreparedStatement lock = prepare(RowLockSql.lock(table, lockClass.name(), shape))) {
      int next = bounds.bind(lock);
      if (byValue) {
        lock.setInt(next++, sent.size());
      }
      bindKeys(lock, next, sent, table);
      lock.setString(next + table.columns().size(), bounds.nextEpoch());
      String epoch = execute(lock);
      try (ResultSet result = behind(lock)) {
        if (byValue) {
          return LockReply.ofValues(epoch, sent, table.comparator().orElseThrow(), result);
        }
        if (options.rows()) {
          return LockReply.withRows(epoch, sent.size(), tx.dsl(), lockClass, result);
        }
        result.next();
        return LockReply.ofOrdinals(epoch, sent.size(), LockTable.ordinals(result, 2));
      }
    }
  }

  /** What became of names, and the isolation that they were asked for under. */
  record NameReply(LockReply reply, String isolation) {}

  NameReply lockNames(LockOrder order, Step step, Bounds bounds) throws SQLException {
    LockClass lockClass = step.request().lockClass();
    List<Resource> sent = step.sent();
    String sql =
        LockSql.lockNames(
            options.policy() == Policy.WAIT, lockClass.name(), order.catalog().nameTable());
    try (PreparedStatement lock = prepare(sql)) {
      int next = bounds.bind(lock);
      lock.setObject(next, KeyText.array(sent, 0), Types.OTHER);
      lock.setArray(
          next + 1,
          connection.createArrayOf("text", sent.stream().map(each -> each.key().get(0)).toArray()));
      lock.setString(next + 2, bounds.nextEpoch());
      lock.setString(next + 3, lockClass.name());
      lock.setString(next + 4, lockClass.name());
      String epoch = execute(lock);
      try (ResultSet result = behind(lock)) {
        result.next();
        for (int shared : LockTable.ordinals(result, 2)) {
          order.meters().nameShared(lockClass.name());
          LockReply.warnOfSharedKey(sent.get(shared - 1));
        }
        return new NameReply(
            LockReply.ofOrdinals(epoch, sent.size(), LockTable.ordinals(result, 1)),
            result.getString(3));
      }
    }
  }

  /** What the statement in front of the one that locks found. */
  private String execute(PreparedStatement lock) throws SQLException {
    answered = false;
    lock.execute();
    answered = true;
    try (ResultSet before = lock.getResultSet()) {
      before.next();
      return before.getString(1);
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
          .isLocked()
          .isPresent();
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

package dev.pgbelay.benchmarks.locking;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.lock.LockClass;
import dev.pgbelay.lock.LockOrder;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.util.Arrays;
import java.util.List;
import javax.sql.DataSource;
import org.jooq.impl.DSL;

/** One way of moving money between accounts, in a transaction of its own. */
@FunctionalInterface
interface Transfer {
  /** As many amounts as accounts, whose sum is zero. */
  void move(Long[] accounts, Long[] amounts) throws SQLException;

  static Transfer inOrder(DataSource pool) {
    return (accounts, amounts) ->
        transaction(
            pool,
            connection -> {
              lockInOrder(connection, accounts);
              update(connection, accounts, amounts);
            });
  }

  static Transfer inTransactions(DataSource pool) {
    Transactions transactions = Transactions.of(pool);
    return (accounts, amounts) ->
        transactions.execute(
            tx -> {
              lockInOrder(tx.connection(), accounts);
              update(tx.connection(), accounts, amounts);
            });
  }

  static Transfer oneStatement(DataSource pool) {
    return (accounts, amounts) ->
        transaction(
            pool,
            connection -> {
              try (PreparedStatement move =
                  connection.prepareStatement(TransferSql.LOCK_AND_MOVE)) {
                move.setArray(1, connection.createArrayOf("bigint", accounts));
                move.setArray(2, connection.createArrayOf("bigint", accounts));
                move.setArray(3, connection.createArrayOf("bigint", amounts));
                move.executeUpdate();
              }
            });
  }

  /** Run again at once after a deadlock, as often as it takes. */
  static Transfer unordered(DataSource pool) {
    return (accounts, amounts) -> {
      while (true) {
        try {
          transaction(
              pool,
              connection -> {
                for (Long account : accounts) {
                  try (PreparedStatement lock = connection.prepareStatement(TransferSql.LOCK_ONE)) {
                    lock.setLong(1, account);
                    lock.executeQuery().close();
                  }
                }
                update(connection, accounts, amounts);
              });
          return;
        } catch (SQLException e) {
          if (!"40P01".equals(e.getSQLState())) {
            throw e;
          }
        }
      }
    };
  }

  static Transfer pgbelay(DataSource pool) {
    Transactions transactions = Transactions.of(pool);
    LockClass account =
        LockClass.rows(DSL.table(DSL.name("bench_account")), DSL.field(DSL.name("id"), Long.class));
    LockOrder order = LockOrder.builder().rank(1, account).build();
    return (accounts, amounts) -> {
      List<Long> ids = Arrays.asList(accounts);
      transactions.execute(
          tx -> {
            order.acquire(tx, account.rows(ids));
            update(tx.connection(), accounts, amounts);
          });
    };
  }

  private static void lockInOrder(Connection connection, Long[] accounts) throws SQLException {
    try (PreparedStatement lock = connection.prepareStatement(TransferSql.LOCK_IN_ORDER)) {
      lock.setArray(1, connection.createArrayOf("bigint", accounts));
      lock.executeQuery().close();
    }
  }

  private static void update(Connection connection, Long[] accounts, Long[] amounts)
      throws SQLException {
    try (PreparedStatement move = connection.prepareStatement(TransferSql.MOVE)) {
      move.setArray(1, connection.createArrayOf("bigint", accounts));
      move.setArray(2, connection.createArrayOf("bigint", amounts));
      move.executeUpdate();
    }
  }

  /** What a transaction does with its connection. */
  interface Body {
    void run(Connection connection) throws SQLException;
  }

  private static void transaction(DataSource pool, Body body) throws SQLException {
    try (Connection connection = pool.getConnection()) {
      connection.setAutoCommit(false);
      try {
        body.run(connection);
        connection.commit();
      } catch (SQLException e) {
        connection.rollback();
        throw e;
      }
    }
  }
}

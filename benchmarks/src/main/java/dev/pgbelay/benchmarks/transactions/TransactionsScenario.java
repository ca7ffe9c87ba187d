package dev.pgbelay.benchmarks.transactions;

import dev.pgbelay.benchmarks.BenchServer;
import dev.pgbelay.benchmarks.BenchSettings;
import dev.pgbelay.benchmarks.Contestant;
import dev.pgbelay.benchmarks.Scenario;
import dev.pgbelay.benchmarks.Stage;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.Callable;
import javax.sql.DataSource;
import org.jooq.DSLContext;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;
import org.springframework.jdbc.datasource.DataSourceTransactionManager;
import org.springframework.jdbc.datasource.DataSourceUtils;
import org.springframework.transaction.support.TransactionTemplate;

/** One transaction with one statement by JDBC, begun and ended by whom. */
public final class TransactionsScenario implements Scenario {
  static final String READ = "read";
  static final String WRITE = "write";

  /** One statement of JDBC on the transaction's connection. */
  private interface OnConnection {
    long run(Connection connection) throws SQLException;
  }

  /** A transaction around it. */
  private interface Around {
    long run(OnConnection statement) throws Exception;
  }

  @Override
  public String name() {
    return "transactions";
  }

  @Override
  public String description() {
    return "a transaction of one statement: what knowing its outcome costs";
  }

  @Override
  public long defaultRows(boolean full) {
    return 1_000;
  }

  @Override
  public Stage prepare(BenchServer server, BenchSettings settings) throws Exception {
    DataSource dataSource = server.dataSource();
    try (Connection connection = dataSource.getConnection();
        Statement statement = connection.createStatement()) {
      statement.execute(AccountSql.CREATE);
    }
    Transactions transactions = Transactions.of(dataSource);
    TxOptions bounded = TxOptions.builder().deadline(Duration.ofSeconds(30)).build();
    TransactionTemplate spring =
        new TransactionTemplate(new DataSourceTransactionManager(dataSource));
    DSLContext jooq = DSL.using(dataSource, SQLDialect.POSTGRES);
    Callable<Long> sum = () -> sum(dataSource);
    int repeats = settings.repeats();
    List<Contestant> contestants =
        List.of(
            contestant(Stage.LIMIT, statement -> byHand(dataSource, statement), sum, repeats),
            contestant(
                "pgbelay",
                statement -> transactions.run(tx -> statement.run(tx.connection())),
                sum,
                repeats),
            contestant(
                "pgbelay (deadline)",
                statement -> transactions.run(bounded, tx -> statement.run(tx.connection())),
                sum,
                repeats),
            contestant(
                "Spring TransactionTemplate",
                statement -> inSpring(spring, dataSource, statement),
                sum,
                repeats),
            contestant(
                "jOOQ transactionResult",
                statement ->
                    jooq.transactionResult(inner -> inner.dsl().connectionResult(statement::run)),
                sum,
                repeats));
    return new TransactionsStage(contestants);
  }

  private static Contestant contestant(
      String name, Around around, Callable<Long> sum, int repeats) {
    TransactionContestant.Way way =
        new TransactionContestant.Way() {
          @Override
          public long read(int id) throws Exception {
            return around.run(connection -> balance(connection, id));
          }

          @Override
          public void write(int id) throws Exception {
            around.run(connection -> add(connection, id));
          }
        };
    return new TransactionContestant(name, way, sum, repeats);
  }

  private static long byHand(DataSource dataSource, OnConnection statement) throws SQLException {
    try (Connection connection = dataSource.getConnection()) {
      connection.setAutoCommit(false);
      try {
        long result = statement.run(connection);
        connection.commit();
        return result;
      } catch (SQLException e) {
        connection.rollback();
        throw e;
      } finally {
        connection.setAutoCommit(true);
      }
    }
  }

  private static long inSpring(
      TransactionTemplate template, DataSource dataSource, OnConnection statement) {
    Long result =
        template.execute(
            status -> {
              Connection connection = DataSourceUtils.getConnection(dataSource);
              try {
                return statement.run(connection);
              } catch (SQLException e) {
                throw new IllegalStateException(e);
              } finally {
                DataSourceUtils.releaseConnection(connection, dataSource);
              }
            });
    return result == null ? 0 : result;
  }

  private static long balance(Connection connection, int id) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(AccountSql.READ)) {
      statement.setInt(1, id);
      try (ResultSet row = statement.executeQuery()) {
        row.next();
        return row.getLong(1);
      }
    }
  }

  private static long add(Connection connection, int id) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(AccountSql.WRITE)) {
      statement.setInt(1, id);
      return statement.executeUpdate();
    }
  }

  private static long sum(DataSource dataSource) throws SQLException {
    try (Connection connection = dataSource.getConnection();
        PreparedStatement statement = connection.prepareStatement(AccountSql.SUM);
        ResultSet row = statement.executeQuery()) {
      row.next();
      return row.getLong(1);
    }
  }

  private record TransactionsStage(List<Contestant> contestants) implements Stage {
    @Override
    public List<String> parts() {
      return List.of(READ, WRITE);
    }

    @Override
    public List<String> notes() {
      return List.of(
          "the statement is JDBC's in every contestant; limit is setAutoCommit(false), the statement,"
              + " commit() and setAutoCommit(true); pgbelay also learns whether and where it committed");
    }
  }
}

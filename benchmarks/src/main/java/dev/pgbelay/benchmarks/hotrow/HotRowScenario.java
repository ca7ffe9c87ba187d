package dev.pgbelay.benchmarks.hotrow;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.benchmarks.BenchServer;
import dev.pgbelay.benchmarks.BenchSettings;
import dev.pgbelay.benchmarks.Contestant;
import dev.pgbelay.benchmarks.Scenario;
import dev.pgbelay.benchmarks.Stage;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.lock.hotrow.SlottedCounter;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;
import org.jooq.DSLContext;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;

/** Sixteen threads that add one to the same counter, a transaction each. */
public final class HotRowScenario implements Scenario {
  static final int WRITERS = 16;
  static final String PART = "increments";
  private static final String COUNTER = "bench";

  @Override
  public String name() {
    return "hot-row";
  }

  @Override
  public String description() {
    return "16 writers add one to the same counter: one row, several rows";
  }

  /** The rows of the counter that has several. */
  @Override
  public long defaultRows(boolean full) {
    return 32;
  }

  @Override
  public Stage prepare(BenchServer server, BenchSettings settings) throws Exception {
    HikariConfig config = BenchServer.poolConfig(server.jdbcUrl());
    config.setMaximumPoolSize(WRITERS + 2);
    HikariDataSource pool = new HikariDataSource(config);
    try (Connection connection = pool.getConnection();
        Statement statement = connection.createStatement()) {
      statement.execute(OneRowSql.CREATE);
    }
    SchemaInstaller.builder(pool).modules("hotrow").build().install();
    DSLContext dsl = DSL.using(pool, SQLDialect.POSTGRES);
    SlottedCounter counter =
        SlottedCounter.builder().slots((int) Math.min(1_000, settings.rows())).build();
    counter.delete(dsl, COUNTER);
    counter.create(dsl, COUNTER);
    Transactions transactions = Transactions.of(pool);
    return new HotRowStage(
        pool,
        List.of(
            new HotRowContestant(Stage.LIMIT, () -> autocommit(pool), () -> read(pool), settings),
            new HotRowContestant(
                "pgbelay",
                () -> transactions.execute(tx -> counter.increment(tx, COUNTER, 1)),
                () -> counter.sum(dsl, COUNTER),
                settings),
            new HotRowContestant(
                "one row, through Transactions",
                () -> transactions.execute(tx -> increment(tx.connection())),
                () -> read(pool),
                settings)));
  }

  private static void autocommit(HikariDataSource pool) throws SQLException {
    try (Connection connection = pool.getConnection()) {
      increment(connection);
    }
  }

  private static void increment(Connection connection) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(OneRowSql.INCREMENT)) {
      statement.executeUpdate();
    }
  }

  private static long read(HikariDataSource pool) throws SQLException {
    try (Connection connection = pool.getConnection();
        PreparedStatement statement = connection.prepareStatement(OneRowSql.READ);
        ResultSet row = statement.executeQuery()) {
      row.next();
      return row.getLong(1);
    }
  }

  private record HotRowStage(HikariDataSource pool, List<Contestant> contestants) implements Stage {
    @Override
    public List<String> parts() {
      return List.of(PART);
    }

    @Override
    public List<String> notes() {
      return List.of(
          "limit is one row, changed by one statement under autocommit; pgbelay changes one of "
              + "several rows in a transaction of its own, which is a round trip more");
    }

    @Override
    public void close() {
      pool.close();
    }
  }
}

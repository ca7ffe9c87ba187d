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
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicInteger;
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
    return "16 writers add one to the same counter: one row, several rows, a row each";
  }

  /** The rows of the counter that has several. */
  @Override
  public long defaultRows(boolean full) {
    return 32;
  }

  @Override
  public Stage prepare(BenchServer server, BenchSettings settings) throws Exception {
    int slots = (int) Math.min(1_000, settings.rows());
    HikariConfig config = BenchServer.poolConfig(server.jdbcUrl());
    config.setMaximumPoolSize(WRITERS + 2);
    HikariDataSource pool = new HikariDataSource(config);
    createRows(pool, Math.max(WRITERS, slots));
    SchemaInstaller.builder(pool).modules("hotrow").build().install();
    DSLContext dsl = DSL.using(pool, SQLDialect.POSTGRES);
    SlottedCounter counter = SlottedCounter.builder().slots(slots).build();
    counter.delete(dsl, COUNTER);
    counter.create(dsl, COUNTER);
    Transactions transactions = Transactions.of(pool);
    AtomicInteger writers = new AtomicInteger();
    ThreadLocal<Integer> own = ThreadLocal.withInitial(() -> writers.getAndIncrement() % WRITERS);
    Callable<Long> rows = () -> read(pool);
    return new HotRowStage(
        pool,
        List.of(
            new HotRowContestant(Stage.LIMIT, () -> autocommit(pool, 0), rows, settings),
            new HotRowContestant(
                "pgbelay",
                () -> counter.increment(dsl, COUNTER, 1),
                () -> counter.sum(dsl, COUNTER),
                settings),
            new HotRowContestant(
                "pgbelay, through Transactions",
                () -> transactions.execute(tx -> counter.increment(tx, COUNTER, 1)),
                () -> counter.sum(dsl, COUNTER),
                settings),
            new HotRowContestant(
                "one row, through Transactions",
                () -> transactions.execute(tx -> increment(tx.connection(), 0)),
                rows,
                settings),
            new HotRowContestant(
                "slots by hand",
                () -> autocommit(pool, ThreadLocalRandom.current().nextInt(slots)),
                rows,
                settings),
            new HotRowContestant(
                "slots by hand, through Transactions",
                () ->
                    transactions.execute(
                        tx ->
                            increment(tx.connection(), ThreadLocalRandom.current().nextInt(slots))),
                rows,
                settings),
            new HotRowContestant(
                "a row for each writer", () -> autocommit(pool, own.get()), rows, settings)));
  }

  private static void createRows(HikariDataSource pool, int count) throws SQLException {
    try (Connection connection = pool.getConnection();
        PreparedStatement create = connection.prepareStatement(CounterRowsSql.CREATE)) {
      create.setInt(1, count);
      create.execute();
    }
  }

  private static void autocommit(HikariDataSource pool, int row) throws SQLException {
    try (Connection connection = pool.getConnection()) {
      increment(connection, row);
    }
  }

  private static void increment(Connection connection, int row) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(CounterRowsSql.INCREMENT)) {
      statement.setInt(1, row);
      statement.executeUpdate();
    }
  }

  private static long read(HikariDataSource pool) throws SQLException {
    try (Connection connection = pool.getConnection();
        PreparedStatement statement = connection.prepareStatement(CounterRowsSql.READ);
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
          "limit is one row, changed by one statement under autocommit; pgbelay changes one of"
              + " several rows in the same way or, through Transactions, in a transaction of its own,"
              + " which is a round trip more",
          "slots by hand: a random one of as many rows, one statement under autocommit or, through"
              + " Transactions, in a transaction of its own",
          "a row for each writer: one statement under autocommit, and nobody ever waits for a row;"
              + " what this machine can do at most");
    }

    @Override
    public void close() {
      pool.close();
    }
  }
}

package dev.pgbelay.benchmarks.hotparent;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.benchmarks.BenchServer;
import dev.pgbelay.benchmarks.BenchSettings;
import dev.pgbelay.benchmarks.Contestant;
import dev.pgbelay.benchmarks.Scenario;
import dev.pgbelay.benchmarks.Stage;
import dev.pgbelay.benchmarks.hotparent.ParentWays.Way;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.reconcile.guard.ParentGuard;
import java.sql.Connection;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Threads that insert children of one parent, while others lock it. */
public final class HotParentScenario implements Scenario {
  @Override
  public String name() {
    return "hot-parent";
  }

  @Override
  public String description() {
    return "threads insert children of one row that others lock: with a foreign key, a guard, and neither";
  }

  /** The amount of data does not matter here; the time is {@code --repeats} times 5 ms a part. */
  @Override
  public long defaultRows(boolean full) {
    return 100;
  }

  @Override
  public Stage prepare(BenchServer server, BenchSettings settings) throws Exception {
    HikariConfig config = BenchServer.poolConfig(server.jdbcUrl());
    config.setMaximumPoolSize(ParentPart.MOST_THREADS + 1);
    HikariDataSource pool = new HikariDataSource(config);
    try (Connection connection = pool.getConnection();
        Statement statement = connection.createStatement()) {
      statement.execute(ParentSql.CREATE);
    }
    Transactions transactions = Transactions.of(pool);
    List<Contestant> contestants = new ArrayList<>();
    contestants.add(
        free(
            Stage.LIMIT,
            pool,
            ParentWays.transaction(transactions, ParentSql.INSERT_FREE, Optional.empty()),
            settings));
    contestants.add(guarded("guard (cached)", pool, ParentWays.cached(), settings));
    contestants.add(guarded("guard (exists)", pool, ParentWays.exists(), settings));
    contestants.add(guarded("guard (locked)", pool, ParentWays.locked(), settings));
    contestants.add(
        new ParentContestant(
            "foreign key",
            pool,
            true,
            ParentWays.transaction(transactions, ParentSql.INSERT, Optional.empty()),
            settings));
    contestants.add(
        free(
            "autocommit, nothing",
            pool,
            ParentWays.autocommit(pool, ParentSql.INSERT_FREE),
            settings));
    contestants.add(
        new ParentContestant(
            "autocommit, foreign key",
            pool,
            true,
            ParentWays.autocommit(pool, ParentSql.INSERT),
            settings));
    return new ParentStage(pool, contestants);
  }

  private static Contestant guarded(
      String name, HikariDataSource pool, ParentGuard guard, BenchSettings settings) {
    return free(
        name,
        pool,
        ParentWays.transaction(Transactions.of(pool), ParentSql.INSERT_FREE, Optional.of(guard)),
        settings);
  }

  private static Contestant free(
      String name, HikariDataSource pool, Way way, BenchSettings settings) {
    return new ParentContestant(name, pool, false, way, settings);
  }

  private record ParentStage(HikariDataSource pool, List<Contestant> contestants) implements Stage {
    @Override
    public List<String> parts() {
      return ParentPart.titles();
    }

    @Override
    public List<String> notes() {
      return List.of(
          "limit: the same table without the foreign key, each insert in a transaction of"
              + " Transactions, all of one parent; so do the guards and 'foreign key'",
          "autocommit: one prepared statement and nothing else, for what the key alone costs",
          "16 threads insert, in one-thread-… one; the parent is locked by two threads in turn (in"
              + " one-thread-… by one), for so long each time: change-key changes a unique column,"
              + " change-other another one, update is FOR UPDATE",
          "child-5ms-…: the inserting transactions stay open for 5 ms",
          "parent-locks-per-second: how often the two got their lock");
    }

    @Override
    public void close() {
      pool.close();
    }
  }
}

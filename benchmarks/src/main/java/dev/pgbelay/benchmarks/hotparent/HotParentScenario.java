package dev.pgbelay.benchmarks.hotparent;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.benchmarks.BenchServer;
import dev.pgbelay.benchmarks.BenchSettings;
import dev.pgbelay.benchmarks.Contestant;
import dev.pgbelay.benchmarks.Scenario;
import dev.pgbelay.benchmarks.Stage;
import java.sql.Connection;
import java.sql.Statement;
import java.util.List;

/** Threads that insert children of one parent, while others lock it. */
public final class HotParentScenario implements Scenario {
  static final int WRITERS = 8;
  static final int HOLDERS = 2;

  @Override
  public String name() {
    return "hot-parent";
  }

  @Override
  public String description() {
    return "%d threads insert children of one row that %d others lock: with a foreign key and without"
        .formatted(WRITERS, HOLDERS);
  }

  /** The amount of data does not matter here; the time is {@code --repeats} times 5 ms a part. */
  @Override
  public long defaultRows(boolean full) {
    return 100;
  }

  @Override
  public Stage prepare(BenchServer server, BenchSettings settings) throws Exception {
    HikariConfig config = BenchServer.poolConfig(server.jdbcUrl());
    config.setMaximumPoolSize(WRITERS + HOLDERS + 1);
    HikariDataSource pool = new HikariDataSource(config);
    try (Connection connection = pool.getConnection();
        Statement statement = connection.createStatement()) {
      statement.execute(ParentSql.CREATE);
    }
    return new ParentStage(
        pool,
        List.of(
            new ParentContestant(Stage.LIMIT, pool, false, settings),
            new ParentContestant("foreign key", pool, true, settings)));
  }

  private record ParentStage(HikariDataSource pool, List<Contestant> contestants) implements Stage {
    @Override
    public List<String> parts() {
      return ParentContestant.PARTS;
    }

    @Override
    public List<String> notes() {
      return List.of(
          "limit: the same table without the foreign key; inserts in autocommit, all of one parent",
          "the parent is locked by two threads in turn, for so long each time, and never changed",
          "parent-locks-per-second: how often the two got their lock");
    }

    @Override
    public void close() {
      pool.close();
    }
  }
}

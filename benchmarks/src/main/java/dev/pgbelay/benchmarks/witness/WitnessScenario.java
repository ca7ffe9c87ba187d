package dev.pgbelay.benchmarks.witness;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.benchmarks.BenchServer;
import dev.pgbelay.benchmarks.BenchSettings;
import dev.pgbelay.benchmarks.Contestant;
import dev.pgbelay.benchmarks.Scenario;
import dev.pgbelay.benchmarks.Stage;
import dev.pgbelay.lock.witness.LockWitness;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.Statement;
import java.time.Duration;
import java.util.List;

/**
 * pgbench's transaction by one client, watched and not. Commits do not wait for the disk ({@code
 * synchronous_commit = off}): what that takes changes from round to round by more than a witness
 * costs, and is the same for all. Rounds are short, so that a slow moment of the machine meets all.
 */
public final class WitnessScenario implements Scenario {

  @Override
  public String name() {
    return "witness";
  }

  @Override
  public String description() {
    return "what a lock witness costs pgbench's transaction: strict, and sampled at 1 %";
  }

  @Override
  public long defaultRows(boolean full) {
    return full ? 1_000_000 : 100_000;
  }

  @Override
  public Stage prepare(BenchServer server, BenchSettings settings) throws Exception {
    HikariConfig config = BenchServer.poolConfig(server.jdbcUrl());
    config.addDataSourceProperty("options", "-c synchronous_commit=off");
    HikariDataSource pool = new HikariDataSource(config);
    try (Connection connection = pool.getConnection();
        Statement statement = connection.createStatement()) {
      statement.execute(BankSql.CREATE);
      try (PreparedStatement load = connection.prepareStatement(BankSql.LOAD_ACCOUNTS)) {
        load.setLong(1, settings.rows());
        load.executeUpdate();
      }
      statement.execute(BankSql.ANALYZE);
    }
    LockWitness strict = LockWitness.builder().catalog(pool).build();
    LockWitness sampled = LockWitness.builder().sampled(0.01).catalog(pool).build();
    LockWitness holding =
        LockWitness.builder().sampled(0.01).holdLimit(Duration.ofSeconds(10)).catalog(pool).build();
    return new WitnessStage(
        List.of(
            new BankContestant(Stage.LIMIT, pool, pool, settings),
            new BankContestant("pgbelay (strict)", strict.observe(pool), pool, settings),
            new BankContestant("pgbelay (sampled 1 %)", sampled.observe(pool), pool, settings),
            new BankContestant(
                "pgbelay (sampled 1 %, hold limit)", holding.observe(pool), pool, settings)),
        List.of(strict, sampled, holding),
        pool,
        server,
        server.coreEach());
  }

  private record WitnessStage(
      List<Contestant> contestants,
      List<LockWitness> witnesses,
      HikariDataSource pool,
      BenchServer server,
      boolean coreEach)
      implements Stage {
    @Override
    public List<String> parts() {
      return List.of("bank");
    }

    @Override
    public List<String> notes() {
      return List.of(
          coreEach
              ? "client and server had a core each"
              : "client and server shared the cores as the scheduler liked",
          "limit is the same transaction on the same pool, unobserved; commits wait for no disk");
    }

    @Override
    public void close() {
      server.anyCore();
      witnesses.forEach(LockWitness::close);
      pool.close();
    }
  }
}

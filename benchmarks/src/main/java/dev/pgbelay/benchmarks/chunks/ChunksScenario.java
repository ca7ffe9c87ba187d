package dev.pgbelay.benchmarks.chunks;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.batch.chunk.ChunkReport;
import dev.pgbelay.batch.chunk.ChunkedJob;
import dev.pgbelay.batch.chunk.Purge;
import dev.pgbelay.benchmarks.BenchServer;
import dev.pgbelay.benchmarks.BenchSettings;
import dev.pgbelay.benchmarks.Contestant;
import dev.pgbelay.benchmarks.Measurement;
import dev.pgbelay.benchmarks.Scenario;
import dev.pgbelay.benchmarks.Stage;
import dev.pgbelay.benchmarks.Work;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.schema.SchemaInstaller;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;
import javax.sql.DataSource;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;

/** Half of a table is deleted while clients write single rows of it. */
public final class ChunksScenario implements Scenario {
  private static final String LATENCY = "latency";
  private static final Duration QUIET = Duration.ofSeconds(4);
  private static final long FEW_ROWS = 100_000;
  private static final Duration RETENTION = Duration.ofDays(90);
  private static final int BY_HAND = 10_000;
  private static final Table<Record> EVENT = DSL.table(DSL.name("public", "purge_event"));
  private static final Field<Long> ID =
      DSL.field(DSL.name("id"), SQLDataType.BIGINT.nullable(false));
  private static final Field<OffsetDateTime> MADE_AT =
      DSL.field(DSL.name("made_at"), SQLDataType.TIMESTAMPWITHTIMEZONE.nullable(false));

  @Override
  public String name() {
    return "chunks";
  }

  @Override
  public String description() {
    return "half of a table is purged: how late single writes of others become meanwhile";
  }

  @Override
  public long defaultRows(boolean full) {
    return full ? 10_000_000 : 600_000;
  }

  @Override
  public Stage prepare(BenchServer server, BenchSettings settings) throws Exception {
    DataSource pool = server.dataSource();
    PurgeTable table = PurgeTable.load(pool, settings.rows());
    SchemaInstaller.builder(pool).modules("batch").build().install();
    HikariConfig config = BenchServer.poolConfig(server.jdbcUrl());
    config.setMaximumPoolSize(PointWriters.CLIENTS);
    HikariDataSource writersPool = new HikariDataSource(config);
    PointWriters writers = new PointWriters(writersPool, settings.rows());
    Duration quiet = settings.rows() < FEW_ROWS ? Duration.ofSeconds(1) : QUIET;
    return new ChunksStage(
        List.of(
            new PurgeContestant(
                Stage.LIMIT, table, writers, false, () -> Thread.sleep(quiet.toMillis())),
            new PurgeContestant("pgbelay", table, writers, true, purge(pool, "purge", b -> b)),
            new PurgeContestant(
                "pgbelay (target 50 ms)",
                table,
                writers,
                true,
                purge(pool, "purge-50", b -> b.target(Duration.ofMillis(50)))),
            new PurgeContestant(
                "hand-written loop (10,000)", table, writers, true, () -> deleteSome(pool)),
            new PurgeContestant("one DELETE", table, writers, true, () -> deleteAll(pool))),
        writersPool,
        quiet);
  }

  private static PointWriters.Meanwhile purge(
      DataSource pool, String name, UnaryOperator<ChunkedJob.Builder> settings) {
    ChunkedJob job =
        settings
            .apply(
                Purge.olderThan(Transactions.of(pool), name, EVENT, MADE_AT, RETENTION)
                    .key(MADE_AT, ID))
            .build();
    return () -> {
      ChunkReport report = job.run();
      if (report.outcome() != ChunkReport.Outcome.DONE) {
        throw new IllegalStateException("the purge ended with " + report);
      }
    };
  }

  private static void deleteAll(DataSource pool) throws SQLException {
    try (Connection connection = pool.getConnection();
        Statement statement = connection.createStatement()) {
      statement.executeUpdate(PurgeTableSql.DELETE_ALL);
    }
  }

  private static void deleteSome(DataSource pool) throws SQLException {
    try (Connection connection = pool.getConnection();
        PreparedStatement statement = connection.prepareStatement(PurgeTableSql.DELETE_SOME)) {
      statement.setInt(1, BY_HAND);
      while (statement.executeUpdate() > 0) {
        // until nothing is left
      }
    }
  }

  private record ChunksStage(
      List<? extends Contestant> all, HikariDataSource writersPool, Duration quiet)
      implements Stage {
    @Override
    public List<String> parts() {
      return List.of(LATENCY);
    }

    @Override
    public List<Contestant> contestants() {
      return List.copyOf(all);
    }

    @Override
    public List<String> notes() {
      return List.of(
          "limit: nobody deletes; the same writers alone for %d s".formatted(quiet.toSeconds()),
          "writers: %d clients, %d updates of one row by key a second in all, one in %d of an old row; a"
                  .formatted(
                      PointWriters.CLIENTS,
                      PointWriters.WRITES_PER_SECOND,
                      PointWriters.OLD_ROW_EVERY)
              + " write is late from the moment at which it was due");
    }

    @Override
    public void close() {
      writersPool.close();
    }
  }

  private record PurgeContestant(
      String name,
      PurgeTable table,
      PointWriters writers,
      boolean purges,
      PointWriters.Meanwhile meanwhile)
      implements Contestant {
    @Override
    public List<Measurement> measure(String part) throws Exception {
      table.refill();
      PointWriters.Latencies latencies = writers.during(meanwhile, table.rows());
      Work did = table.seen();
      Work expected = table.expected(purges);
      List<Measurement> measurements = new ArrayList<>();
      measurements.add(new Measurement("point-write-p50", latencies.p50(), "ms", did, expected));
      measurements.add(new Measurement("point-write-p99", latencies.p99(), "ms", did, expected));
      measurements.add(new Measurement("point-write-max", latencies.max(), "ms", did, expected));
      if (purges) {
        double rate = table.rows() / 2.0 / (latencies.otherNanos() / 1e9);
        measurements.add(new Measurement("rows-per-second", rate, "rows/s", did, expected));
      }
      return measurements;
    }
  }
}

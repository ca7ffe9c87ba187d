package dev.pgbelay.benchmarks.writes;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.batch.WritePlan;
import dev.pgbelay.benchmarks.BenchServer;
import dev.pgbelay.benchmarks.BenchSettings;
import dev.pgbelay.benchmarks.Scenario;
import dev.pgbelay.benchmarks.Stage;
import dev.pgbelay.testing.FaultProxy;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import javax.sql.DataSource;

/** A thousand rows in one statement or in a thousand, near the server and a millisecond away. */
public final class RoundTripsScenario implements Scenario {
  private static final String NEAR = "loopback/rows-per-second";
  private static final String FAR = "1-ms-away/rows-per-second";
  private static final Duration AWAY = Duration.ofMillis(1);
  private static final int MOST_RUNS = 15;

  @Override
  public String name() {
    return "round-trips";
  }

  @Override
  public String description() {
    return "1,000 rows in one statement against 1,000 statements, over loopback and 1 ms away";
  }

  @Override
  public long defaultRows(boolean full) {
    return 1_000;
  }

  @Override
  public Stage prepare(BenchServer server, BenchSettings settings) throws Exception {
    Items items = Items.load(server.dataSource(), settings.rows(), false, Items.Before.NOTHING);
    WriteStage stage = new WriteStage(items, List.of(NEAR, FAR));
    FaultProxy proxy = stage.closing(server.proxy());
    proxy.delay(AWAY);
    String farUrl = server.jdbcUrl(proxy);
    Map<String, DataSource> pools = new LinkedHashMap<>();
    pools.put(NEAR, server.dataSource());
    pools.put(FAR, stage.closing(new HikariDataSource(BenchServer.poolConfig(farUrl))));
    Map<String, DataSource> rewriting = new LinkedHashMap<>();
    rewriting.put(NEAR, stage.rewriting(server.jdbcUrl()));
    rewriting.put(FAR, stage.rewriting(farUrl));
    int all = items.rows().size();
    String row = WriteSql.INSERT_ROW;
    add(
        stage,
        items,
        Stage.LIMIT,
        pools,
        pool -> new JdbcWrites(pool).arrays(WriteSql.INSERT_ARRAYS, JdbcWrites::bindArrays, all));
    add(
        stage,
        items,
        "pgbelay",
        pools,
        pool -> new PgbelayWrites(pool).insert(PgbelayWrites.writer().build()));
    add(
        stage,
        items,
        "pgbelay (unnest)",
        pools,
        pool ->
            new PgbelayWrites(pool)
                .insert(PgbelayWrites.writer().path(WritePlan.Path.UNNEST).build()));
    add(
        stage,
        items,
        "pgbelay (COPY)",
        pools,
        pool ->
            new PgbelayWrites(pool)
                .insert(PgbelayWrites.writer().path(WritePlan.Path.COPY).build()));
    add(
        stage,
        items,
        "addBatch, one executeBatch",
        pools,
        pool -> new JdbcWrites(pool).addBatch(row, JdbcWrites::bindAll, all));
    add(
        stage,
        items,
        "addBatch, one executeBatch + rewrite",
        rewriting,
        pool -> new JdbcWrites(pool).addBatch(row, JdbcWrites::bindAll, all));
    add(stage, items, "jOOQ multi-row", pools, pool -> new JooqWrites(pool).multiRow(false, all));
    add(
        stage,
        items,
        "1,000 statements, one transaction",
        pools,
        pool -> new JdbcWrites(pool).rowAtATime(row, JdbcWrites::bindAll));
    add(
        stage,
        items,
        "1,000 statements, autocommit",
        pools,
        pool -> new JdbcWrites(pool).rowAtATimeAutocommit(row, JdbcWrites::bindAll));
    return stage
        .note("limit, by hand: one insert .. select from unnest, begin and commit apart")
        .note("1 ms away: through a proxy that adds 0.5 ms on each way, and its own work");
  }

  private static void add(
      WriteStage stage,
      Items items,
      String name,
      Map<String, DataSource> pools,
      Function<DataSource, WriteWay> way)
      throws Exception {
    Map<String, WriteWay> ways = new LinkedHashMap<>();
    pools.forEach((part, pool) -> ways.put(part, way.apply(pool)));
    stage.add(new WriteContestant(name, items, Long.MAX_VALUE, MOST_RUNS, ways));
  }
}

package dev.pgbelay.benchmarks.writes;

import dev.pgbelay.batch.WritePlan;
import dev.pgbelay.benchmarks.BenchServer;
import dev.pgbelay.benchmarks.BenchSettings;
import dev.pgbelay.benchmarks.Scenario;
import dev.pgbelay.benchmarks.Stage;
import java.util.List;
import javax.sql.DataSource;

/** Inserting rows into an empty table, in one transaction; and what a long stream keeps alive. */
public final class InsertScenario implements Scenario {
  private static final int BATCH = 1_000;
  private static final int ARRAYS = 10_000;
  private static final int SLOW_ROWS = 10_000;
  private static final int SLOWEST_ROWS = 2_000;

  @Override
  public String name() {
    return "insert";
  }

  @Override
  public String description() {
    return "rows of six columns into an empty table: rows per second; live heap of a long stream";
  }

  @Override
  public long defaultRows(boolean full) {
    return full ? 1_000_000 : 100_000;
  }

  @Override
  public Stage prepare(BenchServer server, BenchSettings settings) throws Exception {
    DataSource pool = server.dataSource();
    Items items = Items.load(pool, settings.rows(), false, Items.Before.NOTHING);
    WriteStage stage =
        new WriteStage(items, List.of(WriteStage.ROWS_PER_SECOND, StreamHeap.LIVE_HEAP));
    DataSource rewriting = stage.rewriting(server.jdbcUrl());
    CopyWrites copy = new CopyWrites(pool, items);
    PgbelayWrites pgbelay = new PgbelayWrites(pool);
    JdbcWrites jdbc = new JdbcWrites(pool);
    JooqWrites jooq = new JooqWrites(pool);
    String row = WriteSql.INSERT_ROW;
    long streamed = Math.min(StreamHeap.ROWS, settings.rows() * 10);
    return stage
        .add(new StreamingContestant(Stage.LIMIT, items, copy.insert(), server.jdbcUrl(), streamed))
        .add(
            new StreamingContestant(
                "pgbelay",
                items,
                pgbelay.insert(PgbelayWrites.writer().build()),
                server.jdbcUrl(),
                streamed))
        .add(
            "pgbelay (unnest)",
            pgbelay.insert(PgbelayWrites.writer().path(WritePlan.Path.UNNEST).build()))
        .add(
            "hand-written unnest (10,000)",
            jdbc.arrays(WriteSql.INSERT_ARRAYS, JdbcWrites::bindArrays, ARRAYS))
        .add("PgBulkInsert", copy.pgBulkInsert())
        .add("addBatch (1,000)", jdbc.addBatch(row, JdbcWrites::bindAll, BATCH))
        .add(
            "addBatch (1,000) + rewrite",
            new JdbcWrites(rewriting).addBatch(row, JdbcWrites::bindAll, BATCH))
        .add(
            "Spring batchUpdate (1,000)",
            new SpringWrites(pool).batchUpdate(row, JdbcWrites::bindAll, BATCH))
        .add(
            "Spring batchUpdate (1,000) + rewrite",
            new SpringWrites(rewriting).batchUpdate(row, JdbcWrites::bindAll, BATCH))
        .add("jOOQ batch (1,000)", jooq.batch(JooqWrites::insert, JooqWrites::all, BATCH))
        .add(
            "jOOQ batch (1,000) + rewrite",
            new JooqWrites(rewriting).batch(JooqWrites::insert, JooqWrites::all, BATCH))
        .add("jOOQ multi-row (1,000)", jooq.multiRow(false, BATCH))
        .add("jOOQ loader (bulk 1,000)", jooq.loader(BATCH))
        .add("row at a time, one transaction", SLOW_ROWS, jdbc.rowAtATime(row, JdbcWrites::bindAll))
        .add(
            "row at a time, autocommit",
            SLOWEST_ROWS,
            jdbc.rowAtATimeAutocommit(row, JdbcWrites::bindAll))
        .note("limit is COPY BINARY of bytes that were encoded beforehand; all others encode")
        .note(
            "row at a time: %,d rows in one transaction, %,d with autocommit"
                .formatted(SLOW_ROWS, SLOWEST_ROWS))
        .note(
            "live heap: measured once, in a JVM of its own, over a stream of %,d rows that are made as"
                    .formatted(streamed)
                + " they are asked for; limit there is COPY text, a row at a time");
  }
}

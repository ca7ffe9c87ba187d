package dev.pgbelay.benchmarks.writes;

import dev.pgbelay.batch.Duplicates;
import dev.pgbelay.batch.WritePlan;
import dev.pgbelay.benchmarks.BenchServer;
import dev.pgbelay.benchmarks.BenchSettings;
import dev.pgbelay.benchmarks.Scenario;
import dev.pgbelay.benchmarks.Stage;
import java.util.List;
import javax.sql.DataSource;

/** Rows in any order, of which half exist already. */
public final class UpsertScenario implements Scenario {
  private static final int BATCH = 1_000;
  private static final int ARRAYS = 10_000;
  private static final int SLOW_ROWS = 5_000;

  @Override
  public String name() {
    return "upsert";
  }

  @Override
  public String description() {
    return "rows of six columns in any order, half of which exist: rows per second";
  }

  @Override
  public long defaultRows(boolean full) {
    return full ? 1_000_000 : 100_000;
  }

  @Override
  public Stage prepare(BenchServer server, BenchSettings settings) throws Exception {
    DataSource pool = server.dataSource();
    Items items = Items.load(pool, settings.rows(), true, Items.Before.EVERY_SECOND_ROW);
    WriteStage stage = new WriteStage(items, List.of(WriteStage.ROWS_PER_SECOND));
    DataSource rewriting = stage.rewriting(server.jdbcUrl());
    PgbelayWrites pgbelay = new PgbelayWrites(pool);
    JdbcWrites jdbc = new JdbcWrites(pool);
    JooqWrites jooq = new JooqWrites(pool);
    String row = WriteSql.UPSERT_ROW;
    return stage
        .add(Stage.LIMIT, new CopyWrites(pool, items).upsert())
        .add("pgbelay", pgbelay.upsert(PgbelayWrites.writer().countsOnly().build()))
        .add("pgbelay (outcomes)", pgbelay.upsert(PgbelayWrites.writer().build()))
        .add(
            "pgbelay (outcomes, last duplicate wins)",
            pgbelay.upsert(PgbelayWrites.writer().duplicates(Duplicates.last()).build()))
        .add(
            "pgbelay (unnest)",
            pgbelay.upsert(PgbelayWrites.writer().countsOnly().path(WritePlan.Path.UNNEST).build()))
        .add(
            "hand-written unnest (10,000)",
            jdbc.arrays(WriteSql.UPSERT_ARRAYS, JdbcWrites::bindArrays, ARRAYS))
        .add("addBatch (1,000)", jdbc.addBatch(row, JdbcWrites::bindAll, BATCH))
        .add(
            "addBatch (1,000) + rewrite",
            new JdbcWrites(rewriting).addBatch(row, JdbcWrites::bindAll, BATCH))
        .add(
            "Spring batchUpdate (1,000)",
            new SpringWrites(pool).batchUpdate(row, JdbcWrites::bindAll, BATCH))
        .add("jOOQ batch (1,000)", jooq.batch(JooqWrites::upsert, JooqWrites::all, BATCH))
        .add("jOOQ multi-row (1,000)", jooq.multiRow(true, BATCH))
        .add("row at a time, one transaction", SLOW_ROWS, jdbc.rowAtATime(row, JdbcWrites::bindAll))
        .note(
            "limit, by hand: COPY BINARY of bytes encoded beforehand into a temporary table, then"
                + " insert .. select distinct on .. order by key .. on conflict")
        .note(
            "pgbelay: countsOnly(), which does what the limit does, and refuses duplicates by name;"
                + " (outcomes): the writer's default, which also tells the fate of each row")
        .note("row at a time: %,d rows".formatted(SLOW_ROWS))
        .note("PgBulkInsert and jOOQ's bulk loader have no upsert");
  }
}

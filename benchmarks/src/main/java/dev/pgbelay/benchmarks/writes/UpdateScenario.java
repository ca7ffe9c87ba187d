package dev.pgbelay.benchmarks.writes;

import dev.pgbelay.batch.WritePlan;
import dev.pgbelay.benchmarks.BenchServer;
import dev.pgbelay.benchmarks.BenchSettings;
import dev.pgbelay.benchmarks.Scenario;
import dev.pgbelay.benchmarks.Stage;
import java.util.List;
import javax.sql.DataSource;

/** Two columns of rows that exist, by key, given in any order. */
public final class UpdateScenario implements Scenario {
  private static final int BATCH = 1_000;
  private static final int ARRAYS = 10_000;
  private static final int SLOW_ROWS = 5_000;

  @Override
  public String name() {
    return "update";
  }

  @Override
  public String description() {
    return "two columns of rows that exist, by key, in any order: rows per second";
  }

  @Override
  public long defaultRows(boolean full) {
    return full ? 1_000_000 : 100_000;
  }

  @Override
  public Stage prepare(BenchServer server, BenchSettings settings) throws Exception {
    DataSource pool = server.dataSource();
    Items items = Items.load(pool, settings.rows(), true, Items.Before.ALL_ROWS);
    WriteStage stage = new WriteStage(items, List.of(WriteStage.ROWS_PER_SECOND));
    CopyWrites copy = new CopyWrites(pool, items);
    PgbelayWrites pgbelay = new PgbelayWrites(pool);
    JdbcWrites jdbc = new JdbcWrites(pool);
    String row = WriteSql.UPDATE_ROW;
    return stage
        .add(Stage.LIMIT, copy.updateOnTheServer())
        .add("pgbelay", pgbelay.update(PgbelayWrites.changes().build()))
        .add("pgbelay (unordered)", pgbelay.update(PgbelayWrites.changes().unordered().build()))
        .add(
            "pgbelay (staged)",
            pgbelay.update(PgbelayWrites.changes().path(WritePlan.Path.STAGED).build()))
        .add(
            "hand-written unnest (1,000)",
            jdbc.arrays(WriteSql.UPDATE_ARRAYS, JdbcWrites::bindChangeArrays, BATCH))
        .add(
            "hand-written unnest (10,000)",
            jdbc.arrays(WriteSql.UPDATE_ARRAYS, JdbcWrites::bindChangeArrays, ARRAYS))
        .add(
            "hand-written unnest (all)",
            jdbc.arrays(WriteSql.UPDATE_ARRAYS, JdbcWrites::bindChangeArrays, items.rows().size()))
        .add("hand-written COPY to a temporary table", copy.update())
        .add("addBatch (1,000)", jdbc.addBatch(row, JdbcWrites::bindChanges, BATCH))
        .add(
            "Spring batchUpdate (1,000)",
            new SpringWrites(pool).batchUpdate(row, JdbcWrites::bindChanges, BATCH))
        .add(
            "jOOQ batch (1,000)",
            new JooqWrites(pool).batch(JooqWrites::update, JooqWrites::changes, BATCH))
        .add(
            "row at a time, one transaction",
            SLOW_ROWS,
            jdbc.rowAtATime(row, JdbcWrites::bindChanges))
        .note("limit is one server-side update of all rows: it sends no values at all")
        .note("pgbelay locks in the order of the key before it updates; (unordered) does not")
        .note(
            "row at a time: %,d rows; the driver does not rewrite batched updates"
                .formatted(SLOW_ROWS));
  }
}

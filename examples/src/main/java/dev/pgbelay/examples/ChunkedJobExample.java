package dev.pgbelay.examples;

import static org.jooq.impl.DSL.currentOffsetDateTime;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.primaryKey;
import static org.jooq.impl.DSL.select;
import static org.jooq.impl.DSL.table;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.batch.chunk.ChunkReport;
import dev.pgbelay.batch.chunk.Purge;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.testing.PostgresCluster;
import java.io.PrintStream;
import java.time.Duration;
import java.time.OffsetDateTime;
import javax.sql.DataSource;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.SQLDialect;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;
import org.jooq.types.DayToSecond;

/**
 * Half of a log is older than its retention. One DELETE is one transaction that holds every lock
 * until its end; {@link Purge} goes in short ones and can be stopped and gone on with.
 */
public final class ChunkedJobExample {
  private static final Table<Record> LOG = table(name("public", "access_log"));
  private static final Field<Long> ID = field(name("id"), SQLDataType.BIGINT.nullable(false));
  private static final Field<OffsetDateTime> MADE_AT =
      field(name("made_at"), SQLDataType.TIMESTAMPWITHTIMEZONE.nullable(false));
  private static final int ROWS = 10_000;
  private static final int KEPT_DAYS = 90;

  private final DSLContext dsl;
  private final DataSource dataSource;
  private final Transactions transactions;

  ChunkedJobExample(DataSource dataSource) {
    this.dsl = DSL.using(dataSource, SQLDialect.POSTGRES);
    this.dataSource = dataSource;
    this.transactions = Transactions.of(dataSource);
  }

  public static void main(String[] args) {
    HikariConfig config = new HikariConfig();
    try (PostgresCluster cluster = PostgresCluster.builder().start()) {
      config.setJdbcUrl(cluster.primary().jdbcUrl());
      try (HikariDataSource pool = new HikariDataSource(config)) {
        new ChunkedJobExample(pool).run(System.out);
      }
    }
  }

  void run(PrintStream out) {
    createLog();
    out.println("naive: " + inOneDelete() + " rows in 1 transaction, " + left() + " left");
    createLog();
    SchemaInstaller.builder(dataSource).modules("batch").build().install();
    ChunkReport report = inChunks();
    out.println("safe:  " + report.rows() + " rows, " + report.outcome() + ", " + left() + " left");
    out.println("in chunks of 500 to 1,000 rows: " + (report.chunks() >= 5));
  }

  // tag::naive[]
  int inOneDelete() {
    return dsl.deleteFrom(LOG).where(MADE_AT.lt(daysAgo(KEPT_DAYS))).execute();
  }

  // end::naive[]

  // tag::safe[]
  ChunkReport inChunks() {
    return Purge.olderThan(transactions, "purge-log", LOG, MADE_AT, Duration.ofDays(KEPT_DAYS))
        .key(MADE_AT, ID) // an index on them: nothing is read but what is deleted
        .chunkRows(500, 10, 1_000)
        .build()
        .run();
  }

  // end::safe[]

  private int left() {
    return dsl.fetchCount(LOG);
  }

  private static Field<OffsetDateTime> daysAgo(int days) {
    return currentOffsetDateTime().minus(new DayToSecond(days));
  }

  private void createLog() {
    dsl.dropTableIfExists(LOG).execute();
    dsl.createTable(LOG).columns(ID, MADE_AT).constraints(primaryKey(ID)).execute();
    dsl.createIndex(name("access_log_made_at")).on(LOG, MADE_AT, ID).execute();
    Field<Long> id = field(name("ids", "id"), SQLDataType.INTEGER).cast(SQLDataType.BIGINT);
    dsl.insertInto(LOG, ID, MADE_AT)
        .select(
            select(id, DSL.when(id.le(ROWS / 2L), daysAgo(120)).otherwise(daysAgo(1)))
                .from(DSL.generateSeries(1, ROWS).asTable("ids", "id")))
        .execute();
  }
}

package dev.pgbelay.examples;

import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.primaryKey;
import static org.jooq.impl.DSL.table;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.batch.BatchResult.Outcome;
import dev.pgbelay.batch.BatchWriter;
import dev.pgbelay.batch.WriteCoalescer;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.testing.PostgresCluster;
import java.io.PrintStream;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.stream.LongStream;
import javax.sql.DataSource;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.SQLDialect;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;

/**
 * Readings come in one by one. A statement and a commit for each is a transaction for each; {@link
 * WriteCoalescer} writes together what comes at the same time, and still tells the fate of each.
 */
public final class WriteCoalescerExample {
  private static final Table<Record> READING = table(name("public", "reading"));
  private static final Field<Long> ID = field(name("id"), SQLDataType.BIGINT.nullable(false));
  private static final Field<Integer> VALUE =
      field(name("value"), SQLDataType.INTEGER.nullable(false));
  private static final int READINGS = 500;

  /** What a sensor says. */
  record Reading(long id, int value) {}

  private static final BatchWriter<Reading> WRITER =
      BatchWriter.into(READING, Reading.class)
          .key(ID)
          .column(ID, Reading::id)
          .column(VALUE, Reading::value)
          .build();

  private final DSLContext dsl;
  private final Transactions transactions;

  WriteCoalescerExample(DataSource dataSource) {
    this.dsl = DSL.using(dataSource, SQLDialect.POSTGRES);
    this.transactions = Transactions.of(dataSource);
  }

  public static void main(String[] args) {
    HikariConfig config = new HikariConfig();
    try (PostgresCluster cluster = PostgresCluster.builder().start()) {
      config.setJdbcUrl(cluster.primary().jdbcUrl());
      try (HikariDataSource pool = new HikariDataSource(config)) {
        new WriteCoalescerExample(pool).run(System.out);
      }
    }
  }

  void run(PrintStream out) {
    List<Reading> readings =
        LongStream.rangeClosed(1, READINGS).mapToObj(id -> new Reading(id, (int) id % 40)).toList();
    createReadings();
    readings.forEach(this::writeOne);
    out.println("naive: " + rows() + " rows in " + commits() + " transactions");
    createReadings();
    coalesced(readings);
    out.println("safe:  " + rows() + " rows in few transactions: " + (commits() <= READINGS / 10));
  }

  // tag::naive[]
  void writeOne(Reading reading) {
    dsl.insertInto(READING, ID, VALUE).values(reading.id(), reading.value()).execute();
  }

  // end::naive[]

  // tag::safe[]
  void coalesced(List<Reading> readings) {
    try (WriteCoalescer<Reading> coalescer =
        WriteCoalescer.builder(transactions, WRITER).linger(Duration.ofMillis(200)).build()) {
      List<CompletableFuture<Outcome>> fates = new ArrayList<>();
      for (Reading reading : readings) { // from any number of threads
        fates.add(coalescer.submit(reading));
      }
      fates.forEach(CompletableFuture::join); // each complete once its row is committed
    }
  }

  // end::safe[]

  private int rows() {
    return dsl.fetchCount(READING);
  }

  /** Every row carries the transaction that wrote it. */
  private int commits() {
    Field<String> writer = field(name("xmin"), String.class).cast(SQLDataType.CLOB);
    return dsl.selectDistinct(writer).from(READING).fetch().size();
  }

  private void createReadings() {
    dsl.dropTableIfExists(READING).execute();
    dsl.createTable(READING).columns(ID, VALUE).constraints(primaryKey(ID)).execute();
  }
}

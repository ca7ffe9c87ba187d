package dev.pgbelay.examples;

import static org.jooq.impl.DSL.check;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.primaryKey;
import static org.jooq.impl.DSL.table;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.batch.BatchResult;
import dev.pgbelay.batch.BatchWriter;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.testing.PostgresCluster;
import java.io.PrintStream;
import java.util.List;
import java.util.stream.LongStream;
import javax.sql.DataSource;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.SQLDialect;
import org.jooq.Table;
import org.jooq.exception.DataAccessException;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;

/**
 * A delivery of a thousand products, one of them with a count that cannot be. Written by a batch of
 * the driver, it takes the other 999 with it; {@link BatchWriter} writes those and names the one.
 */
public final class BatchWriterExample {
  private static final Table<Record> STOCK = table(name("public", "delivered_stock"));
  private static final Field<Long> PRODUCT =
      field(name("product"), SQLDataType.BIGINT.nullable(false));
  private static final Field<Integer> LEVEL =
      field(name("level"), SQLDataType.INTEGER.nullable(false));
  private static final int DELIVERED = 1_000;
  private static final long MISCOUNTED = 417;

  /** What was counted of one product. */
  record Count(long product, int level) {}

  // tag::writer[]
  private static final BatchWriter<Count> WRITER =
      BatchWriter.into(STOCK, Count.class)
          .key(PRODUCT)
          .column(PRODUCT, Count::product)
          .column(LEVEL, Count::level)
          .partial() // what the database takes is written, the rest is reported
          .build();

  // end::writer[]

  private final DSLContext dsl;
  private final Transactions transactions;

  BatchWriterExample(DataSource dataSource) {
    this.dsl = DSL.using(dataSource, SQLDialect.POSTGRES);
    this.transactions = Transactions.of(dataSource);
  }

  public static void main(String[] args) {
    HikariConfig config = new HikariConfig();
    try (PostgresCluster cluster = PostgresCluster.builder().start()) {
      config.setJdbcUrl(cluster.primary().jdbcUrl());
      try (HikariDataSource pool = new HikariDataSource(config)) {
        new BatchWriterExample(pool).run(System.out);
      }
    }
  }

  void run(PrintStream out) {
    List<Count> delivery =
        LongStream.rangeClosed(1, DELIVERED)
            .mapToObj(product -> new Count(product, product == MISCOUNTED ? -1 : 5))
            .toList();
    createStock();
    String fate = inOneBatch(delivery);
    out.println("naive: " + dsl.fetchCount(STOCK) + " rows written, " + fate);
    createStock();
    BatchResult result = written(delivery);
    out.println("safe:  " + dsl.fetchCount(STOCK) + " rows written");
    for (BatchResult.Rejection refused : result.rejections()) {
      out.println("       row " + refused.row() + " refused: " + refused.sqlState());
    }
  }

  // tag::naive[]
  String inOneBatch(List<Count> delivery) {
    try {
      dsl.transaction(
          inner ->
              inner
                  .dsl()
                  .batch(
                      delivery.stream()
                          .map(
                              c ->
                                  inner
                                      .dsl()
                                      .insertInto(STOCK, PRODUCT, LEVEL)
                                      .values(c.product(), c.level()))
                          .toList())
                  .execute());
      return "all of them good";
    } catch (DataAccessException e) {
      return "one bad row among them"; // which one? The other 999 are gone as well
    }
  }

  // end::naive[]

  // tag::safe[]
  BatchResult written(List<Count> delivery) {
    return transactions.run(tx -> WRITER.upsert(tx, delivery));
  }

  // end::safe[]

  private void createStock() {
    dsl.dropTableIfExists(STOCK).execute();
    dsl.createTable(STOCK)
        .columns(PRODUCT, LEVEL)
        .constraints(primaryKey(PRODUCT), check(LEVEL.ge(0)))
        .execute();
  }
}

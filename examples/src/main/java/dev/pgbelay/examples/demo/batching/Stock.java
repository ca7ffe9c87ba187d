package dev.pgbelay.examples.demo.batching;

import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.primaryKey;
import static org.jooq.impl.DSL.table;

import dev.pgbelay.batch.BatchWriter;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.List;
import java.util.stream.LongStream;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.Table;
import org.jooq.impl.SQLDataType;

/** A table of stock levels, and how a warehouse reports them. */
final class Stock {
  static final Table<Record> STOCK = table(name("shop", "stock"));
  static final Field<Long> PRODUCT = field(name("product"), SQLDataType.BIGINT.nullable(false));
  static final Field<Integer> WAREHOUSE =
      field(name("warehouse"), SQLDataType.INTEGER.nullable(false));
  static final Field<Integer> LEVEL = field(name("level"), SQLDataType.INTEGER.nullable(false));
  static final Field<OffsetDateTime> COUNTED_AT =
      field(name("counted_at"), SQLDataType.TIMESTAMPWITHTIMEZONE.nullable(false));
  static final Field<String> NOTE = field(name("note"), SQLDataType.CLOB.nullable(false));

  private static final OffsetDateTime NEW_YEAR =
      OffsetDateTime.of(2026, 1, 1, 0, 0, 0, 0, ZoneOffset.UTC);

  /** What is counted of one product. */
  record Count(long product, int warehouse, int level, OffsetDateTime countedAt, String note) {}

  static final BatchWriter<Count> WRITER =
      BatchWriter.into(STOCK, Count.class)
          .key(PRODUCT)
          .column(PRODUCT, Count::product)
          .column(WAREHOUSE, Count::warehouse)
          .column(LEVEL, Count::level)
          .column(COUNTED_AT, Count::countedAt)
          .column(NOTE, Count::note)
          .build();

  private Stock() {}

  static void create(DSLContext dsl) {
    dsl.dropTableIfExists(STOCK).execute();
    dsl.createTable(STOCK)
        .columns(PRODUCT, WAREHOUSE, LEVEL, COUNTED_AT, NOTE)
        .constraints(primaryKey(PRODUCT))
        .execute();
  }

  static List<Count> counts(long products, int level) {
    return LongStream.rangeClosed(1, products)
        .mapToObj(
            p ->
                new Count(
                    p,
                    (int) (p % 12),
                    level,
                    NEW_YEAR.plusSeconds(p),
                    "counted by hand, shelf " + p))
        .toList();
  }
}

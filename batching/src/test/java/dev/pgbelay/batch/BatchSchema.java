package dev.pgbelay.batch;

import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.table;

import java.math.BigDecimal;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.List;
import java.util.stream.IntStream;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.Table;
import org.jooq.impl.SQLDataType;
import org.jspecify.annotations.Nullable;

/** A table of articles and the rows that go into it. */
final class BatchSchema {
  static final Table<Record> ITEM = table(name("public", "item"));
  static final Field<Long> ID = field(name("public", "item", "id"), SQLDataType.BIGINT);
  static final Field<String> NAME = field(name("public", "item", "name"), SQLDataType.CLOB);
  static final Field<Integer> QTY = field(name("public", "item", "qty"), SQLDataType.INTEGER);
  static final Field<BigDecimal> PRICE =
      field(name("public", "item", "price"), SQLDataType.NUMERIC);
  static final Field<OffsetDateTime> AT =
      field(name("public", "item", "at"), SQLDataType.TIMESTAMPWITHTIMEZONE);

  static final String CREATE_ITEM =
      """
      create table item (
        id bigint primary key,
        name text,
        qty int not null check (qty >= 0),
        price numeric(12,2),
        at timestamptz not null default now()
      )
      """;

  record Item(
      long id,
      @Nullable String name,
      int qty,
      @Nullable BigDecimal price,
      @Nullable OffsetDateTime at) {
    Item withQty(int other) {
      return new Item(id, name, other, price, at);
    }
  }

  private BatchSchema() {}

  static BatchWriter.Builder<Item> items() {
    return BatchWriter.into(ITEM, Item.class)
        .column(ID, Item::id)
        .column(NAME, Item::name)
        .column(QTY, Item::qty)
        .column(PRICE, Item::price)
        .column(AT, Item::at);
  }

  static Item item(int id) {
    return new Item(
        id,
        id % 7 == 0 ? null : "item " + id,
        id % 100,
        BigDecimal.valueOf(id * 37L, 2),
        OffsetDateTime.of(2026, 1, 1, 0, 0, 0, 0, ZoneOffset.UTC).plusSeconds(id));
  }

  static List<Item> items(int from, int to) {
    return IntStream.range(from, to).mapToObj(BatchSchema::item).toList();
  }
}

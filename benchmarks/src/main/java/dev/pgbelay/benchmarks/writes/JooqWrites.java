package dev.pgbelay.benchmarks.writes;

import static org.jooq.impl.DSL.excluded;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.table;

import java.math.BigDecimal;
import java.time.OffsetDateTime;
import java.util.List;
import javax.sql.DataSource;
import org.jooq.BatchBindStep;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.InsertValuesStep6;
import org.jooq.Query;
import org.jooq.Record;
import org.jooq.SQLDialect;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;
import org.jspecify.annotations.Nullable;

/** jOOQ's batch, its multi-row VALUES and its loader, in a transaction of jOOQ's. */
final class JooqWrites {
  static final Table<Record> ITEMS = table(name("public", "items"));
  static final Field<Long> ID = field(name("id"), SQLDataType.BIGINT.nullable(false));
  static final Field<Integer> ACCOUNT_ID =
      field(name("account_id"), SQLDataType.INTEGER.nullable(false));
  static final Field<Integer> STATUS = field(name("status"), SQLDataType.INTEGER.nullable(false));
  static final Field<OffsetDateTime> MADE_AT =
      field(name("made_at"), SQLDataType.TIMESTAMPWITHTIMEZONE.nullable(false));
  static final Field<BigDecimal> AMOUNT =
      field(name("amount"), SQLDataType.NUMERIC(12, 2).nullable(false));
  static final Field<String> NAME = field(name("name"), SQLDataType.CLOB.nullable(false));

  /** Makes the query whose parameters a batch binds. */
  interface Template {
    Query of(DSLContext dsl);
  }

  /** The parameters of one row. */
  interface Values {
    @Nullable Object[] of(Item item);
  }

  private final DSLContext dsl;

  JooqWrites(DataSource dataSource) {
    this.dsl = DSL.using(dataSource, SQLDialect.POSTGRES);
  }

  WriteWay batch(Template template, Values values, int size) {
    return rows ->
        dsl.transaction(
            inner -> {
              for (int from = 0; from < rows.size(); from += size) {
                BatchBindStep batch = inner.dsl().batch(template.of(inner.dsl()));
                for (Item item : rows.subList(from, Math.min(rows.size(), from + size))) {
                  batch = batch.bind(values.of(item));
                }
                batch.execute();
              }
            });
  }

  WriteWay multiRow(boolean upsert, int size) {
    return rows ->
        dsl.transaction(
            inner -> {
              for (int from = 0; from < rows.size(); from += size) {
                var insert = into(inner.dsl());
                for (Item i : rows.subList(from, Math.min(rows.size(), from + size))) {
                  insert =
                      insert.values(
                          i.id(), i.accountId(), i.status(), i.madeAt(), i.amount(), i.name());
                }
                if (upsert) {
                  onConflict(insert).execute();
                } else {
                  insert.execute();
                }
              }
            });
  }

  WriteWay loader(int size) {
    return rows ->
        dsl.transaction(
            inner ->
                inner
                    .dsl()
                    .loadInto(ITEMS)
                    .bulkAfter(size)
                    .commitNone()
                    .loadArrays(rows.stream().map(JooqWrites::all))
                    .fields(ID, ACCOUNT_ID, STATUS, MADE_AT, AMOUNT, NAME)
                    .execute());
  }

  static Query insert(DSLContext dsl) {
    return into(dsl).values((Long) null, null, null, null, null, null);
  }

  static Query upsert(DSLContext dsl) {
    return onConflict(into(dsl).values((Long) null, null, null, null, null, null));
  }

  static Query update(DSLContext dsl) {
    return dsl.update(ITEMS)
        .set(STATUS, (Integer) null)
        .set(AMOUNT, (BigDecimal) null)
        .where(ID.eq((Long) null));
  }

  static @Nullable Object[] all(Item i) {
    return new Object[] {i.id(), i.accountId(), i.status(), i.madeAt(), i.amount(), i.name()};
  }

  static @Nullable Object[] changes(Item i) {
    return new Object[] {i.status(), i.amount(), i.id()};
  }

  private static InsertValuesStep6<
          Record, Long, Integer, Integer, OffsetDateTime, BigDecimal, String>
      into(DSLContext dsl) {
    return dsl.insertInto(ITEMS, ID, ACCOUNT_ID, STATUS, MADE_AT, AMOUNT, NAME);
  }

  private static Query onConflict(
      InsertValuesStep6<Record, Long, Integer, Integer, OffsetDateTime, BigDecimal, String>
          insert) {
    return insert
        .onConflict(ID)
        .doUpdate()
        .set(ACCOUNT_ID, excluded(ACCOUNT_ID))
        .set(STATUS, excluded(STATUS))
        .set(MADE_AT, excluded(MADE_AT))
        .set(AMOUNT, excluded(AMOUNT))
        .set(NAME, excluded(NAME));
  }

  static List<Field<?>> fields() {
    return List.of(ID, ACCOUNT_ID, STATUS, MADE_AT, AMOUNT, NAME);
  }
}

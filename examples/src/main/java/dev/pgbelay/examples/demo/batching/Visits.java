package dev.pgbelay.examples.demo.batching;

import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.primaryKey;
import static org.jooq.impl.DSL.select;
import static org.jooq.impl.DSL.table;

import java.time.OffsetDateTime;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;
import org.jooq.types.DayToSecond;

/** A log of visits; the first half of its ids is older than its retention. */
final class Visits {
  static final Table<Record> VISIT = table(name("shop", "visit"));
  static final Field<Long> ID = field(name("id"), SQLDataType.BIGINT.nullable(false));
  static final Field<OffsetDateTime> MADE_AT =
      field(name("made_at"), SQLDataType.TIMESTAMPWITHTIMEZONE.nullable(false));
  static final Field<Integer> HITS = field(name("hits"), SQLDataType.INTEGER.nullable(false));
  static final Field<String> PAGE = field(name("page"), SQLDataType.CLOB.nullable(false));
  static final int KEPT_DAYS = 90;
  private static final int OLD_DAYS = 120;
  private static final int YOUNG_DAYS = 30;

  private Visits() {}

  static void create(DSLContext dsl, long rows) {
    dsl.dropTableIfExists(VISIT).execute();
    dsl.createTable(VISIT).columns(ID, MADE_AT, HITS, PAGE).execute();
    Table<?> ids = DSL.generateSeries(1, (int) rows).asTable("ids", "id");
    Field<Long> id = field(name("ids", "id"), SQLDataType.INTEGER).cast(SQLDataType.BIGINT);
    Field<OffsetDateTime> madeAt =
        DSL.when(id.le(rows / 2), daysAgo(OLD_DAYS)).otherwise(daysAgo(YOUNG_DAYS));
    dsl.insertInto(VISIT, ID, MADE_AT, HITS, PAGE)
        .select(
            select(id, madeAt, DSL.inline(0), DSL.concat("/page/", id.cast(String.class)))
                .from(ids))
        .execute();
    dsl.alterTable(VISIT).add(primaryKey(ID)).execute();
    dsl.createIndex(name("visit_made_at")).on(VISIT, MADE_AT, ID).execute();
    VisitsSql.vacuum(dsl);
  }

  static Field<OffsetDateTime> daysAgo(int days) {
    return DSL.currentOffsetDateTime().minus(new DayToSecond(days));
  }

  static long old(DSLContext dsl) {
    return dsl.fetchCount(VISIT, MADE_AT.lt(daysAgo(KEPT_DAYS)));
  }
}

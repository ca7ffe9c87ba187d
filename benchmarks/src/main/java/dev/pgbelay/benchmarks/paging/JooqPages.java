package dev.pgbelay.benchmarks.paging;

import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.table;

import dev.pgbelay.benchmarks.events.Event;
import dev.pgbelay.benchmarks.events.EventsTable;
import java.time.OffsetDateTime;
import java.util.List;
import java.util.Objects;
import javax.sql.DataSource;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.Record7;
import org.jooq.ResultQuery;
import org.jooq.SQLDialect;
import org.jooq.SelectConditionStep;
import org.jooq.Table;
import org.jooq.conf.Settings;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;

/** jOOQ's own {@code seek()}, built per request as its manual shows. */
final class JooqPages {
  static final Table<Record> EVENTS = table(name("events"));
  static final Field<Long> ID = field(name("id"), SQLDataType.BIGINT.notNull());
  static final Field<Integer> ACCOUNT_ID = field(name("account_id"), SQLDataType.INTEGER.notNull());
  static final Field<OffsetDateTime> CREATED_AT =
      field(name("created_at"), SQLDataType.TIMESTAMPWITHTIMEZONE.notNull());
  static final Field<Integer> STATUS = field(name("status"), SQLDataType.INTEGER.notNull());
  static final Field<OffsetDateTime> RESOLVED_AT =
      field(name("resolved_at"), SQLDataType.TIMESTAMPWITHTIMEZONE);
  static final Field<Long> AMOUNT = field(name("amount"), SQLDataType.BIGINT.notNull());
  static final Field<String> PAYLOAD = field(name("payload"), SQLDataType.CLOB.notNull());

  private static final int SIZE = Target.PAGE_SIZE;

  private final DSLContext dsl;

  JooqPages(DataSource dataSource, Settings settings) {
    this.dsl = DSL.using(dataSource, SQLDialect.POSTGRES, settings);
  }

  PageReader seek(Target target) {
    Event b = target.boundary();
    return () -> {
      SelectConditionStep<
              Record7<Long, Integer, OffsetDateTime, Integer, OffsetDateTime, Long, String>>
          select =
              dsl.select(ID, ACCOUNT_ID, CREATED_AT, STATUS, RESOLVED_AT, AMOUNT, PAYLOAD)
                  .from(EVENTS)
                  .where(ACCOUNT_ID.eq(EventsTable.LARGE_ACCOUNT));
      return page(
          switch (target.shape()) {
            case UNIFORM -> {
              var ordered = select.orderBy(CREATED_AT.desc(), ID.desc());
              yield b == null
                  ? ordered.limit(SIZE)
                  : ordered.seek(b.createdAt(), b.id()).limit(SIZE);
            }
            case MIXED -> {
              var ordered = select.orderBy(CREATED_AT.desc(), ID.asc());
              yield b == null
                  ? ordered.limit(SIZE)
                  : ordered.seek(b.createdAt(), b.id()).limit(SIZE);
            }
            case LOW_CARDINALITY -> {
              var ordered = select.orderBy(STATUS.asc(), ID.desc());
              yield b == null ? ordered.limit(SIZE) : ordered.seek(b.status(), b.id()).limit(SIZE);
            }
            case NULLABLE -> {
              var ordered = select.orderBy(RESOLVED_AT.asc().nullsLast(), ID.asc());
              yield b == null
                  ? ordered.limit(SIZE)
                  : ordered.seek(b.resolvedAt(), b.id()).limit(SIZE);
            }
          });
    };
  }

  private static List<Event> page(
      ResultQuery<Record7<Long, Integer, OffsetDateTime, Integer, OffsetDateTime, Long, String>>
          select) {
    return select.fetch(JooqPages::event);
  }

  static Event event(
      Record7<Long, Integer, OffsetDateTime, Integer, OffsetDateTime, Long, String> row) {
    return new Event(
        Objects.requireNonNull(row.value1()),
        Objects.requireNonNull(row.value2()),
        Objects.requireNonNull(row.value3()),
        Objects.requireNonNull(row.value4()),
        row.value5(),
        Objects.requireNonNull(row.value6()),
        Objects.requireNonNull(row.value7()));
  }
}

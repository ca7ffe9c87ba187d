package dev.pgbelay.benchmarks.reads;

import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.multiset;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.select;
import static org.jooq.impl.DSL.table;

import dev.pgbelay.batch.KeyedLoader;
import dev.pgbelay.benchmarks.reads.ListPage.Customer;
import dev.pgbelay.benchmarks.reads.ListPage.Line;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import javax.sql.DataSource;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.Records;
import org.jooq.SQLDialect;
import org.jooq.SortField;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;

/** {@code KeyedLoader}, and jOOQ alone. */
final class LibraryReads {
  private static final int LINES_SHOWN = JdbcReads.LINES_SHOWN;
  private static final Table<Record> CUSTOMER = table(name("list_customer"));
  private static final Field<Long> CUSTOMER_ID =
      field(name("list_customer", "id"), SQLDataType.BIGINT.nullable(false));
  private static final Field<String> NAME =
      field(name("list_customer", "name"), SQLDataType.CLOB.nullable(false));
  private static final Field<String> CITY =
      field(name("list_customer", "city"), SQLDataType.CLOB.nullable(false));
  private static final Table<Record> ORDER = table(name("list_order"));
  private static final Field<Long> ID =
      field(name("list_order", "id"), SQLDataType.BIGINT.nullable(false));
  private static final Table<Record> LINE = table(name("list_line"));
  private static final Field<Long> ORDER_ID =
      field(name("list_line", "order_id"), SQLDataType.BIGINT.nullable(false));
  private static final Field<Integer> POSITION =
      field(name("list_line", "position"), SQLDataType.INTEGER.nullable(false));
  private static final Field<String> PRODUCT =
      field(name("list_line", "product"), SQLDataType.CLOB.nullable(false));
  private static final Field<Integer> QUANTITY =
      field(name("list_line", "quantity"), SQLDataType.INTEGER.nullable(false));

  private static final List<SortField<Integer>> BY_POSITION = List.of(POSITION.asc());

  private static final KeyedLoader<Long, Customer> CUSTOMERS =
      KeyedLoader.of(CUSTOMER, CUSTOMER_ID)
          .columns(CUSTOMER_ID, NAME, CITY)
          .mapRow(row -> new Customer(row.getLong(1), row.getString(2), row.getString(3)))
          .build();
  private static final KeyedLoader<Long, Line> LINES =
      KeyedLoader.of(LINE, ORDER_ID)
          .columns(POSITION, PRODUCT, QUANTITY)
          .mapRow(row -> new Line(row.getInt(1), row.getString(2), row.getInt(3)))
          .build();
  private static final KeyedLoader<Long, Customer> CUSTOMERS_OF_RECORDS =
      KeyedLoader.of(CUSTOMER, CUSTOMER_ID)
          .columns(CUSTOMER_ID, NAME, CITY)
          .map(row -> new Customer(row.get(CUSTOMER_ID), row.get(NAME), row.get(CITY)))
          .build();
  private static final KeyedLoader<Long, Line> LINES_OF_RECORDS =
      KeyedLoader.of(LINE, ORDER_ID)
          .columns(POSITION, PRODUCT, QUANTITY)
          .map(row -> new Line(row.get(POSITION), row.get(PRODUCT), row.get(QUANTITY)))
          .build();

  private final DSLContext dsl;

  /** As a service has it: one context over the pool, which each statement asks for a connection. */
  LibraryReads(DataSource pool) {
    this.dsl = DSL.using(pool, SQLDialect.POSTGRES);
  }

  ListPage pgbelay(ListPage.Request request) {
    return read(CUSTOMERS, LINES, request);
  }

  ListPage pgbelayRecords(ListPage.Request request) {
    return read(CUSTOMERS_OF_RECORDS, LINES_OF_RECORDS, request);
  }

  private ListPage read(
      KeyedLoader<Long, Customer> customers,
      KeyedLoader<Long, Line> lines,
      ListPage.Request request) {
    return new ListPage(
        customers.load(dsl, request.customers()).found(),
        lines.children(dsl, request.orders(), LINES_SHOWN, BY_POSITION));
  }

  ListPage jooqMultiset(ListPage.Request request) {
    Map<Long, Customer> customers =
        dsl.select(CUSTOMER_ID, NAME, CITY)
            .from(CUSTOMER)
            .where(CUSTOMER_ID.in(request.customers()))
            .fetchMap(CUSTOMER_ID, Records.mapping(Customer::new));
    Field<List<Line>> lines =
        multiset(
                select(POSITION, PRODUCT, QUANTITY)
                    .from(LINE)
                    .where(ORDER_ID.eq(ID))
                    .orderBy(POSITION)
                    .limit(LINES_SHOWN))
            .convertFrom(rows -> rows.map(Records.mapping(Line::new)));
    return new ListPage(
        customers,
        dsl.select(ID, lines).from(ORDER).where(ID.in(request.orders())).fetchMap(ID, lines));
  }

  ListPage jooqRowByRow(ListPage.Request request) {
    Map<Long, Customer> customers = new HashMap<>();
    Map<Long, List<Line>> lines = new HashMap<>();
    for (int i = 0; i < request.orders().size(); i++) {
      long customer = request.customers().get(i);
      dsl.select(CUSTOMER_ID, NAME, CITY)
          .from(CUSTOMER)
          .where(CUSTOMER_ID.eq(customer))
          .fetchOptional(Records.mapping(Customer::new))
          .ifPresent(found -> customers.put(customer, found));
      long order = request.orders().get(i);
      lines.put(
          order,
          dsl.select(POSITION, PRODUCT, QUANTITY)
              .from(LINE)
              .where(ORDER_ID.eq(order))
              .orderBy(POSITION)
              .limit(LINES_SHOWN)
              .fetch(Records.mapping(Line::new)));
    }
    return new ListPage(customers, lines);
  }
}

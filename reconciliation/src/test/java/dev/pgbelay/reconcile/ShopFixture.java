package dev.pgbelay.reconcile;

import static org.jooq.impl.DSL.coalesce;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.inline;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.select;
import static org.jooq.impl.DSL.sum;
import static org.jooq.impl.DSL.table;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.testing.TemplateInitializer;
import java.math.BigDecimal;
import javax.sql.DataSource;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.SQLDialect;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;

/** Customers, their orders and the lines of these, without any foreign key. */
public final class ShopFixture {
  public static final Table<Record> CUSTOMERS = table(name("customers"));
  public static final Field<Long> CUSTOMER_ID =
      field(name("customers", "id"), SQLDataType.BIGINT.nullable(false));
  public static final Table<Record> ORDERS = table(name("orders"));
  public static final Field<Long> ORDER_ID =
      field(name("orders", "id"), SQLDataType.BIGINT.nullable(false));
  public static final Field<Long> ORDER_CUSTOMER =
      field(name("orders", "customer_id"), SQLDataType.BIGINT);
  public static final Field<String> STATUS = field(name("orders", "status"), SQLDataType.CLOB);
  public static final Field<BigDecimal> TOTAL = field(name("orders", "total"), SQLDataType.NUMERIC);
  public static final Table<Record> LINES = table(name("lines"));
  public static final Field<Long> LINE_ORDER = field(name("lines", "order_id"), SQLDataType.BIGINT);
  public static final Field<BigDecimal> AMOUNT =
      field(name("lines", "amount"), SQLDataType.NUMERIC);

  public static final Reference ORDER_CUSTOMER_REFERENCE = orderCustomer().build();
  public static final DerivedValue ORDER_TOTAL =
      DerivedValue.builder("order-total")
          .column(ORDERS, TOTAL)
          .mustEqual(
              field(
                  select(coalesce(sum(AMOUNT), inline(BigDecimal.ZERO)))
                      .from(LINES)
                      .where(LINE_ORDER.eq(ORDER_ID))),
              LINES)
          .build();
  public static final Invariant ORDER_STATUS =
      Invariant.everyRow("order-status", ORDERS, STATUS.in("open", "paid", "cancelled"));
  public static final Declarations ALL =
      Declarations.of("1", ORDER_CUSTOMER_REFERENCE, ORDER_TOTAL, ORDER_STATUS);

  public static final TemplateInitializer SCHEMA =
      dataSource -> {
        SchemaInstaller.builder(dataSource).modules("batch", "reconcile").build().install();
        DSLContext dsl = DSL.using(dataSource, SQLDialect.POSTGRES);
        dsl.execute(
            "create table customers (id bigint primary key, name text, deleted_at timestamptz)");
        dsl.execute(
            "create table orders (id bigint primary key, customer_id bigint,"
                + " status text not null default 'open', total numeric not null default 0)");
        dsl.execute("create index on orders (customer_id)");
        dsl.execute("create table lines (id bigint primary key, order_id bigint, amount numeric)");
        dsl.execute("create index on lines (order_id)");
      };

  public final Transactions transactions;
  public final DSLContext dsl;

  public ShopFixture(DataSource dataSource) {
    this(Transactions.of(dataSource), DSL.using(dataSource, SQLDialect.POSTGRES));
    dsl.execute(
        "truncate customers, orders, lines, pgbelay.reconcile_run, pgbelay.reconcile_finding,"
            + " pgbelay.reconcile_undo, pgbelay.reconcile_deleted, pgbelay.chunk_job");
  }

  /** Orders that refer to their customers, to be told what becomes of them. */
  public static Reference.Builder orderCustomer() {
    return Reference.builder("order-customer")
        .child(ORDERS, ORDER_CUSTOMER)
        .parent(CUSTOMERS, CUSTOMER_ID);
  }

  /** Lines that refer to their orders. */
  public static Reference.Builder lineOrder() {
    return Reference.builder("line-order").child(LINES, LINE_ORDER).parent(ORDERS, ORDER_ID);
  }

  private ShopFixture(Transactions transactions, DSLContext dsl) {
    this.transactions = transactions;
    this.dsl = dsl;
  }

  /** With what is in the tables. */
  public static ShopFixture as(DataSource dataSource) {
    return new ShopFixture(Transactions.of(dataSource), DSL.using(dataSource, SQLDialect.POSTGRES));
  }

  /** Customers from 1, each with one order of the same id, each with two lines of 10.00. */
  public void customers(int count) {
    dsl.execute("insert into customers select g, 'c' || g from generate_series(1, ?) g", count);
    dsl.execute(
        "insert into orders select g, g, 'paid', 20.00 from generate_series(1, ?) g", count);
    dsl.execute(
        "insert into lines select g * 2 + l, g, 10.00"
            + " from generate_series(1, ?) g, generate_series(0, 1) l",
        count);
  }

  public int count(String sql, Object... values) {
    return Integer.parseInt(String.valueOf(dsl.fetchValue(sql, values)));
  }
}

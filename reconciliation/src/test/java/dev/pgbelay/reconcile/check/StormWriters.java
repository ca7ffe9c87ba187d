package dev.pgbelay.reconcile.check;

import static org.jooq.impl.DSL.count;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.select;
import static org.jooq.impl.DSL.table;

import dev.pgbelay.reconcile.Declarations;
import dev.pgbelay.reconcile.Invariant;
import dev.pgbelay.reconcile.Reference;
import dev.pgbelay.reconcile.ShopFixture;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;
import javax.sql.DataSource;
import org.jooq.DSLContext;

/**
 * Writers that keep the rules, most of them by transactions that make others' rows look wrong for a
 * while: for up to a quarter of a second, now and then for two, some of it prepared.
 */
final class StormWriters {
  static final Reference INVOICE_ACCOUNT =
      Reference.builder("invoice-account")
          .child(table(name("invoice")), field(name("tenant")), field(name("account")))
          .parent(table(name("account")), field(name("tenant")), field(name("code")))
          .build();
  static final Invariant VOUCHER_ONCE =
      Invariant.noRows(
          "voucher-once",
          select(field(name("code")), count().as("times"))
              .from(table(name("voucher")))
              .groupBy(field(name("code")))
              .having(count().gt(1)),
          List.of(field(name("code"))),
          List.of(table(name("voucher"))));
  static final Declarations DECLARATIONS =
      Declarations.of(
          "1",
          ShopFixture.ORDER_CUSTOMER_REFERENCE,
          ShopFixture.ORDER_TOTAL,
          ShopFixture.ORDER_STATUS,
          INVOICE_ACCOUNT,
          VOUCHER_ONCE);

  private final DataSource dataSource;
  private final int rows;
  private final AtomicLong ids = new AtomicLong(1_000_000_000);
  private final AtomicLong done = new AtomicLong();
  private final AtomicBoolean over = new AtomicBoolean();

  StormWriters(DataSource dataSource, int rows) {
    this.dataSource = dataSource;
    this.rows = rows;
  }

  static void install(DSLContext dsl) {
    dsl.execute(
        "create table account (tenant int, code text, primary key (tenant, code));"
            + " create table invoice (id bigint primary key, tenant int, account text);"
            + " create index on invoice (account, tenant);"
            + " create table voucher (id bigint primary key, code text not null);"
            + " create index on voucher (code)");
  }

  /** A third of the invoices refers to nothing, by one of the two columns. */
  static void fill(DSLContext dsl, int rows) {
    dsl.execute("truncate account, invoice, voucher");
    dsl.execute("insert into account select g % 7, 'a' || g from generate_series(1, ?) g", rows);
    dsl.execute(
        "insert into invoice select g, case when g % 6 = 1 then null else g % 7 end,"
            + " case when g % 6 = 2 then null else 'a' || g end from generate_series(1, ?) g",
        rows);
    dsl.execute("insert into voucher select g, 'v' || g from generate_series(1, ?) g", rows);
    dsl.execute("analyze");
  }

  void stop() {
    over.set(true);
  }

  long done() {
    return done.get();
  }

  private static void sql(Connection connection, String text) throws SQLException {
    try (Statement statement = connection.createStatement()) {
      statement.execute(text);
    }
  }

  /** One thread with a transaction that holds a lock, and a connection in autocommit beside it. */
  Void write(long seed) throws Exception {
    RandomGenerator random = RandomGeneratorFactory.of("L64X128MixRandom").create(seed);
    try (Connection held = dataSource.getConnection();
        Connection beside = dataSource.getConnection()) {
      held.setAutoCommit(false);
      while (!over.get()) {
        long id = ids.incrementAndGet();
        switch (random.nextInt(8)) {
          case 0 -> childBeforeItsParent(held, beside, id, random);
          case 1 -> parentGoesBeforeItsChild(held, beside, id, random);
          case 2 -> childFirstInOneTransaction(held, id);
          case 3 -> parentIsPrepared(held, beside, id, random);
          case 4 -> invoiceBeforeItsAccount(held, beside, id, random);
          case 5 -> accountGoesBeforeItsInvoice(held, beside, id, random);
          case 6 -> voucherIsReplaced(held, beside, id, random);
          default -> lineAndTotal(held, 1 + random.nextLong(rows / 2));
        }
        done.incrementAndGet();
      }
      held.setAutoCommit(true);
    }
    return null;
  }

  private static void linger(RandomGenerator random) throws InterruptedException {
    Thread.sleep(random.nextInt(random.nextInt(40) == 0 ? 2_000 : 250));
  }

  /** The parent is written already, but by a transaction that is still open. */
  private static void childBeforeItsParent(
      Connection held, Connection beside, long id, RandomGenerator random) throws Exception {
    sql(held, "insert into customers values (" + id + ", 'n')");
    sql(beside, "insert into orders values (" + id + ", " + id + ", 'open', 0)");
    linger(random);
    held.commit();
  }

  private static void parentIsPrepared(
      Connection held, Connection beside, long id, RandomGenerator random) throws Exception {
    sql(held, "insert into customers values (" + id + ", 'n')");
    sql(held, "prepare transaction 'storm-" + id + "'");
    held.commit();
    sql(beside, "insert into orders values (" + id + ", " + id + ", 'open', 0)");
    linger(random);
    sql(beside, "commit prepared 'storm-" + id + "'");
  }

  /** The children are about to be deleted by a transaction that has only read so far. */
  private static void parentGoesBeforeItsChild(
      Connection held, Connection beside, long id, RandomGenerator random) throws Exception {
    sql(beside, "insert into customers values (" + id + ", 'n')");
    sql(beside, "insert into orders values (" + id + ", " + id + ", 'open', 0)");
    sql(held, "select * from orders where customer_id = " + id);
    sql(beside, "delete from customers where id = " + id);
    linger(random);
    sql(held, "delete from orders where customer_id = " + id);
    held.commit();
  }

  private static void childFirstInOneTransaction(Connection held, long id) throws SQLException {
    sql(held, "insert into orders values (" + id + ", " + id + ", 'paid', 0)");
    sql(held, "insert into customers values (" + id + ", 'n')");
    held.commit();
  }

  private static void invoiceBeforeItsAccount(
      Connection held, Connection beside, long id, RandomGenerator random) throws Exception {
    sql(held, "insert into account values (1, 'n" + id + "')");
    sql(beside, "insert into invoice values (" + id + ", 1, 'n" + id + "')");
    linger(random);
    held.commit();
  }

  private static void accountGoesBeforeItsInvoice(
      Connection held, Connection beside, long id, RandomGenerator random) throws Exception {
    sql(beside, "insert into account values (2, 'n" + id + "')");
    sql(beside, "insert into invoice values (" + id + ", 2, 'n" + id + "')");
    sql(held, "select * from invoice where account = 'n" + id + "'");
    sql(beside, "delete from account where code = 'n" + id + "' and tenant = 2");
    linger(random);
    sql(held, "update invoice set account = null where account = 'n" + id + "'");
    held.commit();
  }

  /** Both are there until the old one goes. */
  private static void voucherIsReplaced(
      Connection held, Connection beside, long id, RandomGenerator random) throws Exception {
    sql(beside, "insert into voucher values (" + id + ", 'n" + id + "')");
    sql(held, "select * from voucher where id = " + id);
    sql(beside, "insert into voucher values (-" + id + ", 'n" + id + "')");
    linger(random);
    sql(held, "delete from voucher where id = " + id);
    held.commit();
  }

  private void lineAndTotal(Connection held, long order) throws SQLException {
    sql(held, "insert into lines values (" + ids.incrementAndGet() + ", " + order + ", 1.25)");
    sql(held, "update orders set total = total + 1.25 where id = " + order);
    held.commit();
  }
}

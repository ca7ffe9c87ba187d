package dev.pgbelay.examples;

import static org.jooq.impl.DSL.coalesce;
import static org.jooq.impl.DSL.constraint;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.inline;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.select;
import static org.jooq.impl.DSL.sum;
import static org.jooq.impl.DSL.table;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.reconcile.Declarations;
import dev.pgbelay.reconcile.DerivedValue;
import dev.pgbelay.reconcile.Invariant;
import dev.pgbelay.reconcile.OnDelete;
import dev.pgbelay.reconcile.Reference;
import dev.pgbelay.reconcile.check.CheckReport;
import dev.pgbelay.reconcile.check.Checker;
import dev.pgbelay.reconcile.guard.MissingParentsException;
import dev.pgbelay.reconcile.guard.ParentGuard;
import dev.pgbelay.reconcile.propagate.DeleteCapture;
import dev.pgbelay.reconcile.propagate.Propagation;
import dev.pgbelay.reconcile.repair.RepairPolicy;
import dev.pgbelay.reconcile.repair.RepairReport;
import dev.pgbelay.reconcile.repair.Repairs;
import dev.pgbelay.testing.PostgresCluster;
import java.io.PrintStream;
import java.math.BigDecimal;
import java.util.List;
import javax.sql.DataSource;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.SQLDialect;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;

/**
 * Three rules that the database does not keep any more: an order's customer, whose foreign key was
 * given up; an order's total, which is written beside its lines; and what a status may be, which
 * nine services spell in nine ways.
 */
public final class OrderRules {
  private static final Table<Record> CUSTOMERS = table(name("rules_customer"));
  private static final Field<Long> CUSTOMER =
      field(name("rules_customer", "id"), SQLDataType.BIGINT.nullable(false));
  private static final Table<Record> ORDERS = table(name("rules_order"));
  private static final Field<Long> ORDER =
      field(name("rules_order", "id"), SQLDataType.BIGINT.nullable(false));
  private static final Field<Long> ORDER_CUSTOMER =
      field(name("rules_order", "customer_id"), SQLDataType.BIGINT);
  private static final Field<String> STATUS =
      field(name("rules_order", "status"), SQLDataType.CLOB);
  private static final Field<BigDecimal> TOTAL =
      field(name("rules_order", "total"), SQLDataType.NUMERIC(12, 2));
  private static final Table<Record> LINES = table(name("rules_line"));
  private static final Field<Long> LINE =
      field(name("rules_line", "id"), SQLDataType.BIGINT.nullable(false));
  private static final Field<Long> LINE_ORDER =
      field(name("rules_line", "order_id"), SQLDataType.BIGINT.nullable(false));
  private static final Field<BigDecimal> AMOUNT =
      field(name("rules_line", "amount"), SQLDataType.NUMERIC(12, 2));

  private static final int MANY = 100;
  private static final List<String> CANCELLED =
      List.of(
          "canceled",
          "Cancelled",
          "CANCELLED",
          "cancel",
          "CANCELED",
          "Canceled",
          "cancelled ",
          "cancelld",
          "storno");

  // tag::declare[]
  private static final Reference ORDER_OF_CUSTOMER =
      Reference.builder("order-customer")
          .child(ORDERS, ORDER_CUSTOMER)
          .parent(CUSTOMERS, CUSTOMER)
          .onDelete(OnDelete.cascade())
          .build();

  private static final Declarations RULES =
      Declarations.of(
          "2026-11",
          ORDER_OF_CUSTOMER,
          DerivedValue.builder("order-total")
              .column(ORDERS, TOTAL)
              .mustEqual(
                  field(
                      select(coalesce(sum(AMOUNT), inline(BigDecimal.ZERO)))
                          .from(LINES)
                          .where(LINE_ORDER.eq(ORDER))),
                  LINES)
              .build(),
          Invariant.everyRow("order-status", ORDERS, STATUS.in("open", "paid", "cancelled")));

  // end::declare[]

  private final DataSource dataSource;
  private final DSLContext dsl;
  private final Transactions transactions;
  private final ParentGuard customers = ParentGuard.locked(ORDER_OF_CUSTOMER);

  OrderRules(DataSource dataSource) {
    this.dataSource = dataSource;
    this.dsl = DSL.using(dataSource, SQLDialect.POSTGRES);
    this.transactions = Transactions.of(dataSource);
  }

  public static void main(String[] args) {
    HikariConfig config = new HikariConfig();
    try (PostgresCluster cluster = PostgresCluster.builder().start()) {
      config.setJdbcUrl(cluster.primary().jdbcUrl());
      try (HikariDataSource pool = new HikariDataSource(config)) {
        new OrderRules(pool).run(System.out);
      }
    }
  }

  void run(PrintStream out) {
    SchemaInstaller.builder(dataSource).modules("batch", "reconcile").build().install();
    createTables();
    RULES.requireMatching(transactions); // at the start of the service
    neglect();
    out.println("nobody looks, and every query answers");

    check(out);
    repair(out);
    check(out);

    DeleteCapture.of(transactions, RULES).install();
    try {
      order(MANY + 10L, 999);
    } catch (MissingParentsException e) {
      out.println("guard: an order of a customer who is not there is refused");
    }
    dsl.deleteFrom(CUSTOMERS).where(CUSTOMER.eq(1L)).execute();
    propagate();
    out.println("deletes: customer 1 is gone, and has " + ordersOf(1) + " orders");
  }

  // tag::check[]
  void check(PrintStream out) {
    CheckReport report = Checker.builder(transactions, RULES).build().run();
    report
        .declarations()
        .forEach(
            each -> out.println(each.declaration() + ": " + each.outcome() + ", " + each.open()));
  }

  // end::check[]

  // tag::repair[]
  void repair(PrintStream out) {
    RepairReport report =
        Repairs.builder(transactions, RULES)
            .policy("order-customer", RepairPolicy.quarantine())
            .policy("order-total", RepairPolicy.recompute())
            .policy(
                "order-status",
                RepairPolicy.custom(
                    (tx, finding) ->
                        tx.dsl()
                            .update(ORDERS)
                            .set(STATUS, "cancelled")
                            .where(STATUS.in(CANCELLED)) // what it knows how to read
                            .and(finding.rowIs(ORDER))
                            .execute()))
            .ceiling(20) // of each declaration; more than that is somebody's decision
            .build()
            .run();
    report
        .declarations()
        .forEach(each -> out.println("repaired " + each.declaration() + ": " + each.repaired()));
  }

  // end::repair[]

  // tag::guard[]
  void order(long id, long customer) {
    transactions.execute(
        tx -> {
          customers.check(tx, customer);
          tx.dsl()
              .insertInto(ORDERS, ORDER, ORDER_CUSTOMER, STATUS, TOTAL)
              .values(id, customer, "open", BigDecimal.ZERO)
              .execute();
        });
  }

  // end::guard[]

  private void propagate() {
    Propagation propagation = Propagation.builder(transactions, RULES).build();
    while (propagation.runOnce().work() > 0) {
      // the next chunk; a service starts propagation.loop(...) instead
    }
  }

  /** A year without rules: two customers deleted, a total lost, nine services. */
  private void neglect() {
    dsl.deleteFrom(CUSTOMERS).where(CUSTOMER.in(7L, 8L)).execute();
    dsl.update(ORDERS).set(TOTAL, new BigDecimal("19.90")).where(ORDER.eq(30L)).execute();
    for (int service = 0; service < CANCELLED.size(); service++) {
      dsl.update(ORDERS)
          .set(STATUS, CANCELLED.get(service))
          .where(ORDER.eq(50L + service))
          .execute();
    }
  }

  private int ordersOf(long customer) {
    return dsl.fetchCount(ORDERS, ORDER_CUSTOMER.eq(customer));
  }

  private void createTables() {
    dsl.createTable(CUSTOMERS)
        .columns(CUSTOMER)
        .constraint(constraint().primaryKey(CUSTOMER))
        .execute();
    dsl.createTable(ORDERS)
        .columns(ORDER, ORDER_CUSTOMER, STATUS, TOTAL)
        .constraint(constraint().primaryKey(ORDER))
        .execute();
    dsl.createTable(LINES)
        .columns(LINE, LINE_ORDER, AMOUNT)
        .constraint(constraint().primaryKey(LINE))
        .execute();
    dsl.createIndex(name("rules_order_customer")).on(ORDERS, ORDER_CUSTOMER).execute();
    dsl.createIndex(name("rules_line_order")).on(LINES, LINE_ORDER).execute();
    for (long n = 1; n <= MANY; n++) {
      dsl.insertInto(CUSTOMERS, CUSTOMER).values(n).execute();
      dsl.insertInto(ORDERS, ORDER, ORDER_CUSTOMER, STATUS, TOTAL)
          .values(n, n, "paid", new BigDecimal("20.00"))
          .execute();
      dsl.insertInto(LINES, LINE, LINE_ORDER, AMOUNT)
          .values(2 * n, n, new BigDecimal("5.00"))
          .values(2 * n + 1, n, new BigDecimal("15.00"))
          .execute();
    }
  }
}

package dev.pgbelay.benchmarks.reconcile;

import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.table;

import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.reconcile.OnDelete;
import dev.pgbelay.reconcile.Reference;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.Statement;
import javax.sql.DataSource;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.Table;
import org.jooq.impl.SQLDataType;

/** Customers and their orders, of which a few have no customer. */
final class Shop {
  static final int ORDERS_PER_CUSTOMER = 10;
  private static final Table<Record> CUSTOMERS = table(name("public", "shop_customer"));
  private static final Table<Record> ORDERS = table(name("public", "shop_order"));
  private static final Field<Long> ID = field(name("id"), SQLDataType.BIGINT.nullable(false));
  private static final Field<Long> CUSTOMER_ID = field(name("customer_id"), SQLDataType.BIGINT);

  static final Reference REFERENCE =
      Reference.builder("bench-order-customer")
          .child(ORDERS, CUSTOMER_ID)
          .parent(CUSTOMERS, ID)
          .onDelete(OnDelete.cascade())
          .build();

  /** The same, looked at only where orders were written or customers deleted. */
  static final Reference CHANGES =
      Reference.builder("bench-order-customer-changes")
          .child(ORDERS, CUSTOMER_ID)
          .parent(CUSTOMERS, ID)
          .onDelete(OnDelete.cascade())
          .changedAt(field(name("changed_at"), SQLDataType.TIMESTAMPWITHTIMEZONE))
          .build();

  private Shop() {}

  /** With this many orders, of which every n-th is an orphan. */
  static void load(DataSource pool, long orders, long orphanEvery) throws SQLException {
    long customers = customers(orders);
    SchemaInstaller.builder(pool).modules("batch", "reconcile").build().install();
    try (Connection connection = pool.getConnection();
        Statement statement = connection.createStatement()) {
      statement.execute(ShopSql.CREATE);
      try (PreparedStatement fill = connection.prepareStatement(ShopSql.FILL_CUSTOMERS)) {
        fill.setLong(1, customers);
        fill.executeUpdate();
      }
      try (PreparedStatement fill = connection.prepareStatement(ShopSql.FILL_ORDERS)) {
        fill.setLong(1, customers);
        fill.setLong(2, orphanEvery);
        fill.setLong(3, customers);
        fill.setLong(4, orders);
        fill.executeUpdate();
      }
      statement.execute(ShopSql.INDEX);
    }
    settle(pool);
  }

  /** So many of the orders, and no others, are those of the first customer. */
  static void giveToFirst(DataSource pool, long orders) throws SQLException {
    try (Connection connection = pool.getConnection();
        PreparedStatement give = connection.prepareStatement(ShopSql.GIVE_TO_FIRST)) {
      give.setLong(1, orders);
      give.executeUpdate();
    }
    settle(pool);
  }

  static long customers(long orders) {
    return Math.max(1, orders / ORDERS_PER_CUSTOMER);
  }

  /** Nothing is left to clean up, and nothing waits to be flushed. */
  static void settle(DataSource pool) throws SQLException {
    try (Connection connection = pool.getConnection();
        Statement statement = connection.createStatement()) {
      statement.execute(ShopSql.VACUUM_CUSTOMERS);
      statement.execute(ShopSql.VACUUM_ORDERS);
      statement.execute(ShopSql.CHECKPOINT);
    }
  }

  static void run(DataSource pool, String sql) throws SQLException {
    try (Connection connection = pool.getConnection();
        Statement statement = connection.createStatement()) {
      statement.execute(sql);
    }
  }
}

package dev.pgbelay.examples;

import static org.jooq.impl.DSL.constraint;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.table;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.batch.KeyedLoader;
import dev.pgbelay.testing.PostgresCluster;
import java.io.PrintStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import javax.sql.DataSource;
import org.jooq.DSLContext;
import org.jooq.ExecuteContext;
import org.jooq.ExecuteListener;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.SQLDialect;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jooq.impl.DefaultConfiguration;
import org.jooq.impl.SQLDataType;

/**
 * A list of forty orders, each with its first three lines. Asked row by row that is a statement for
 * the list and one for each order in it; {@link KeyedLoader} asks once for the lines of them all.
 */
public final class ListViewExample {
  private static final Table<Record> ORDERS = table(name("listed_order"));
  private static final Table<Record> LINE = table(name("listed_line"));
  private static final Field<Long> ID = field(name("id"), SQLDataType.BIGINT.nullable(false));
  private static final Field<Long> ORDER_ID =
      field(name("order_id"), SQLDataType.BIGINT.nullable(false));
  private static final Field<Integer> POSITION =
      field(name("position"), SQLDataType.INTEGER.nullable(false));
  private static final Field<String> PRODUCT =
      field(name("product"), SQLDataType.CLOB.nullable(false));
  private static final int ORDERS_SHOWN = 40;
  private static final int LINES_SHOWN = 3;

  // tag::loader[]
  private static final KeyedLoader<Long, String> LINES =
      KeyedLoader.of(LINE, ORDER_ID).columns(PRODUCT).map(row -> row.get(PRODUCT)).build();

  // end::loader[]

  private final DSLContext dsl;
  private final AtomicInteger statements = new AtomicInteger();

  /** What the list shows. */
  record Row(long order, List<String> products) {}

  ListViewExample(DataSource dataSource) {
    this.dsl =
        DSL.using(
            new DefaultConfiguration()
                .set(dataSource)
                .set(SQLDialect.POSTGRES)
                .set(new StatementCounter()));
  }

  /** Counts what jOOQ sends. */
  private final class StatementCounter implements ExecuteListener {
    private static final long serialVersionUID = 1L;

    @Override
    public void executeStart(ExecuteContext context) {
      statements.incrementAndGet();
    }
  }

  public static void main(String[] args) {
    HikariConfig config = new HikariConfig();
    try (PostgresCluster cluster = PostgresCluster.builder().start()) {
      config.setJdbcUrl(cluster.primary().jdbcUrl());
      try (HikariDataSource pool = new HikariDataSource(config)) {
        new ListViewExample(pool).run(System.out);
      }
    }
  }

  void run(PrintStream out) {
    createTables();
    statements.set(0);
    List<Row> naive = rowByRow();
    out.println("naive: " + statements.get() + " statements");
    statements.set(0);
    List<Row> safe = loaded();
    out.println("safe:  " + statements.get() + " statements");
    out.println("same list: " + naive.equals(safe));
  }

  // tag::naive[]
  List<Row> rowByRow() {
    List<Row> rows = new ArrayList<>();
    for (Long order : newestOrders()) {
      rows.add( // a round trip for each
          new Row(
              order,
              dsl.select(PRODUCT)
                  .from(LINE)
                  .where(ORDER_ID.eq(order))
                  .orderBy(POSITION)
                  .limit(LINES_SHOWN)
                  .fetch(PRODUCT)));
    }
    return rows;
  }

  // end::naive[]

  // tag::safe[]
  List<Row> loaded() {
    Map<Long, List<String>> lines =
        LINES.children(dsl, newestOrders(), LINES_SHOWN, List.of(POSITION.asc()));
    return lines.entrySet().stream()
        .map(order -> new Row(order.getKey(), order.getValue()))
        .toList();
  }

  // end::safe[]

  private List<Long> newestOrders() {
    return dsl.select(ID).from(ORDERS).orderBy(ID.desc()).limit(ORDERS_SHOWN).fetch(ID);
  }

  private void createTables() {
    dsl.dropTableIfExists(ORDERS).execute();
    dsl.dropTableIfExists(LINE).execute();
    dsl.createTable(ORDERS).columns(ID).constraint(constraint().primaryKey(ID)).execute();
    dsl.createTable(LINE)
        .columns(ORDER_ID, POSITION, PRODUCT)
        .constraint(constraint().primaryKey(ORDER_ID, POSITION))
        .execute();
    for (long order = 1; order <= ORDERS_SHOWN + 5; order++) {
      dsl.insertInto(ORDERS, ID).values(order).execute();
      for (int position = 1; position <= order % 7; position++) {
        dsl.insertInto(LINE, ORDER_ID, POSITION, PRODUCT)
            .values(order, position, "product " + position)
            .execute();
      }
    }
  }
}

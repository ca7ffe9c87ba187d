package dev.pgbelay.keyset;

import static dev.pgbelay.keyset.OrdersSchema.CODEC;
import static dev.pgbelay.keyset.OrdersSchema.CREATED_AT;
import static dev.pgbelay.keyset.OrdersSchema.CUSTOMER;
import static dev.pgbelay.keyset.OrdersSchema.ID;
import static dev.pgbelay.keyset.OrdersSchema.ORDERS;
import static dev.pgbelay.keyset.OrdersSchema.SHIPPED_AT;
import static dev.pgbelay.keyset.OrdersSchema.STATUS;
import static org.assertj.core.api.Assertions.assertThat;
import static org.jooq.impl.DSL.param;
import static org.jooq.impl.DSL.select;

import dev.pgbelay.keyset.PageStatement.Limits;
import dev.pgbelay.testing.PostgresExtension;
import dev.pgbelay.testing.TemplateInitializer;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.SQLDialect;
import org.jooq.SortField;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * On 1,000,000 rows, in every shape, forward and backward, with custom and generic plans: every
 * branch is an index range with nothing filtered, and a page costs a handful of buffers.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class PlansPostgresTest {
  private static final int PAGE = 20;
  private static final int BUFFERS = 40;
  private static final int BUFFERS_PER_FURTHER_BRANCH = 5;

  private static final TemplateInitializer MILLION =
      dataSource -> {
        try (Connection connection = dataSource.getConnection();
            Statement statement = connection.createStatement()) {
          statement.execute("set synchronous_commit = off");
          statement.execute("set maintenance_work_mem = '256MB'");
          statement.execute("set max_parallel_maintenance_workers = 0");
          statement.execute(
              """
              create table orders (
                id bigint not null, customer_id bigint not null, status int not null,
                created_at timestamptz not null, shipped_at timestamptz)
              """);
          // Neighbours in every index lie apart in the table: what the buffers count is the worst
          // case.
          statement.execute(
              """
              insert into orders
              select i, case when i % 2 = 0 then 1 else i % 5000 end,
                     (i * 7919 % 1000003) % 7,
                     timestamptz '2025-01-01' + (i * 7919 % 1000003) / 3 * interval '1 s',
                     case when i * 104729 % 1000003 % 10 < 7 then
                       timestamptz '2025-02-01' + (i * 104729 % 1000003) / 5 * interval '1 s' end
              from generate_series(1::bigint, 1000000) i
              """);
          statement.execute("alter table orders add primary key (id)");
          statement.execute("create index on orders (created_at, id)");
          statement.execute("create index on orders (created_at desc, id)");
          statement.execute("create index on orders (status, id)");
          statement.execute("create index on orders (status desc, id)");
          statement.execute("create index on orders (shipped_at, id)");
          statement.execute("create index on orders (shipped_at nulls first, id)");
          statement.execute("create index on orders (shipped_at desc nulls last, id)");
          statement.execute("create index on orders (status, shipped_at desc, id)");
          statement.execute("create index on orders (customer_id, created_at desc, id)");
          statement.execute("vacuum (analyze) orders");
        }
      };

  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.create().withTemplate(MILLION);

  private Connection connection;

  @BeforeAll
  void connect() throws SQLException {
    connection = postgres.database().connect();
  }

  @AfterAll
  void disconnect() throws SQLException {
    connection.close();
  }

  record Order(String name, KeysetQuery<Long> query) {
    @Override
    public String toString() {
      return name;
    }
  }

  static Stream<Order> orders() {
    return Stream.of(
        order("uniform", CREATED_AT.asc(), ID.asc()),
        order("uniform descending", CREATED_AT.desc(), ID.desc()),
        order("mixed", CREATED_AT.desc(), ID.asc()),
        order("low-cardinality lead", STATUS.asc(), ID.asc()),
        order("low-cardinality lead, mixed", STATUS.desc(), ID.asc()),
        order("nulls last", SHIPPED_AT.asc().nullsLast(), ID.asc()),
        order("nulls first", SHIPPED_AT.asc().nullsFirst(), ID.asc()),
        order("nulls last descending, mixed", SHIPPED_AT.desc().nullsLast(), ID.asc()),
        order(
            "three keys, NULLs in the middle",
            STATUS.asc(),
            SHIPPED_AT.desc().nullsFirst(),
            ID.asc()),
        new Order(
            "filtered, mixed",
            KeysetQuery.from(
                    select(ID)
                        .from(ORDERS)
                        .where(CUSTOMER.eq(param("customer", SQLDataType.BIGINT))))
                .orderBy(CREATED_AT.desc(), ID.asc())
                .unique(ID)
                .cursors(CODEC)
                .mapRow(row -> row.getLong(1))
                .build()
                .with("customer", 1L)));
  }

  private static Order order(String name, SortField<?>... keys) {
    return new Order(
        name,
        KeysetQuery.from(select(ID, CREATED_AT).from(ORDERS))
            .orderBy(keys)
            .unique(ID)
            .cursors(CODEC)
            .mapRow(row -> row.getLong(1))
            .build());
  }

  @ParameterizedTest
  @MethodSource("orders")
  void everyShape_isIndexExact(Order order) throws SQLException {
    PreparedQuery<Long> query = order.query().prepared();
    for (String mode : List.of("force_custom_plan", "force_generic_plan")) {
      try (Statement statement = connection.createStatement()) {
        statement.execute("set plan_cache_mode = " + mode);
      }
      for (PageShape shape : query.shapes()) {
        for (Boundary boundary : boundaries(order, shape)) {
          assertIndexExact(order, shape, boundary, mode);
        }
      }
    }
  }

  /** Positions of the shape's pattern of NULLs: near the start, in the middle, near the end. */
  private List<Boundary> boundaries(Order order, PageShape shape) throws SQLException {
    if (shape.keyCount() == 0) {
      return List.of(Boundary.NONE);
    }
    PreparedQuery<Long> query = order.query().prepared();
    List<Boundary> boundaries = new ArrayList<>();
    DSLContext dsl = DSL.using(connection, SQLDialect.POSTGRES);
    for (int permille : new int[] {50, 500, 950}) {
      var where = DSL.noCondition();
      List<Field<?>> outputs = new ArrayList<>();
      List<SortField<?>> sort = new ArrayList<>();
      for (int k = 0; k < query.keys().size(); k++) {
        SortKey key = query.keys().get(k);
        outputs.add(key.type().output(key.field()));
        sort.add(key.orderBy());
        if (key.nullable()) {
          boolean isNull = (shape.nullKeys() & 1 << k) != 0;
          where = where.and(isNull ? key.field().isNull() : key.field().isNotNull());
        }
      }
      if (order.name().startsWith("filtered")) {
        where = where.and(CUSTOMER.eq(1L));
      }
      int rows = dsl.fetchCount(dsl.selectOne().from(ORDERS).where(where));
      try (ResultSet row =
          dsl.select(outputs)
              .from(ORDERS)
              .where(where)
              .orderBy(sort)
              .offset((int) ((long) rows * permille / 1000))
              .limit(1)
              .fetchResultSet()) {
        row.next();
        byte[][] values = new byte[outputs.size()][];
        for (int k = 0; k < values.length; k++) {
          values[k] = query.keys().get(k).type().read(row, k + 1);
        }
        boundaries.add(new Boundary(values, false));
      }
    }
    return boundaries;
  }

  private void assertIndexExact(Order order, PageShape shape, Boundary boundary, String mode)
      throws SQLException {
    PreparedQuery<Long> query = order.query().prepared();
    PlanNode plan = explainAnalyze(order.query(), shape, boundary);
    String what =
        "%s, %s, %s\n%s".formatted(order.name(), query.describe(shape), mode, plan.describe());
    int keys = query.keys().size();
    plan.walk(
        node -> {
          if (keys == 2) {
            assertThat(node.attribute("Filter")).as(what).isEmpty();
          }
          // With three keys the planner may know that two of them leave next to nothing.
          assertThat(number(node, "Rows Removed by Filter"))
              .as(what)
              .isLessThanOrEqualTo(keys == 2 ? 0 : PAGE);
          assertThat(number(node, "Rows Removed by Index Recheck")).as(what).isZero();
          if (node.isSort() && !node.children().stream().allMatch(PlanNode::isLimited)) {
            assertThat(keys).as(what).isGreaterThan(2);
            assertThat(number(node.children().get(0), "Actual Rows"))
                .as(what)
                .isLessThanOrEqualTo(PAGE + 1);
          }
          if (node.attribute("Relation Name").isPresent()) {
            assertThat(node.type()).as(what).isIn("Index Scan", "Index Only Scan");
            if (shape.keyCount() > 0) {
              assertThat(node.attribute("Index Cond")).as(what).isPresent();
            }
          }
        });
    int branches = shape.branches(query.keys()).size();
    long buffers =
        Long.parseLong(plan.attribute("Shared Hit Blocks").orElseThrow())
            + Long.parseLong(plan.attribute("Shared Read Blocks").orElseThrow());
    worst = Math.max(worst, buffers - BUFFERS_PER_FURTHER_BRANCH * (branches - 1L));
    if (keys == 2) {
      assertThat(buffers)
          .as("buffers of %s", what)
          .isLessThanOrEqualTo(BUFFERS + BUFFERS_PER_FURTHER_BRANCH * (branches - 1));
    } else {
      // Each branch that is equal in its lead is sorted, and so read to the end of its page.
      assertThat(buffers).as("buffers of %s", what).isLessThanOrEqualTo(2L * BUFFERS);
    }
  }

  private static double number(PlanNode node, String attribute) {
    return Double.parseDouble(node.attribute(attribute).orElse("0"));
  }

  private long worst;

  @AfterAll
  void report() {
    System.out.println(
        "PlansPostgresTest: most buffers of a page, less 5 per further branch: " + worst);
  }

  private PlanNode explainAnalyze(KeysetQuery<?> query, PageShape shape, Boundary boundary)
      throws SQLException {
    PreparedQuery<?> prepared = query.prepared();
    prepared.meet(DSL.using(connection, SQLDialect.POSTGRES));
    List<String> values = new ArrayList<>();
    String text =
        prepared
            .statement(shape)
            .text(
                new Limits(PAGE + 1, 1, 0),
                slot -> {
                  values.add(value(prepared, boundary, slot));
                  return "$" + values.size();
                });
    String execute = values.isEmpty() ? "page" : "page(" + String.join(", ", values) + ")";
    try (Statement statement = connection.createStatement()) {
      statement.execute("prepare page as " + text);
      try (ResultSet plan =
          statement.executeQuery("explain (analyze, buffers, format json) execute " + execute)) {
        plan.next();
        return PlanNode.parse(plan.getString(1));
      } finally {
        statement.execute("deallocate page");
      }
    }
  }

  private static String value(PreparedQuery<?> query, Boundary boundary, PageStatement.Slot slot) {
    if (slot instanceof PageStatement.KeySlot key) {
      byte[] wire = Objects.requireNonNull(boundary.key(key.key()));
      return "'" + query.keys().get(key.key()).type().text(wire) + "'";
    } else if (slot instanceof PageStatement.LeadArraySlot) {
      byte[] wire = Objects.requireNonNull(boundary.key(0));
      return "'" + PageReader.arrayOf(query.keys().get(0).type().text(wire)) + "'";
    }
    return "1";
  }

  @Test
  void plainOr_isCaughtByTheSameAssertions() throws SQLException {
    try (Statement statement = connection.createStatement();
        ResultSet plan =
            statement.executeQuery(
                """
                explain (analyze, buffers, format json)
                select id from orders
                where created_at < '2025-01-03' or (created_at = '2025-01-03' and id > 5)
                order by created_at desc, id limit 21
                """)) {
      plan.next();
      PlanNode root = PlanNode.parse(plan.getString(1));
      List<String> filters = new ArrayList<>();
      root.walk(node -> node.attribute("Filter").ifPresent(filters::add));
      assertThat(filters).isNotEmpty();
      assertThat(
              Long.parseLong(root.attribute("Shared Hit Blocks").orElseThrow())
                  + Long.parseLong(root.attribute("Shared Read Blocks").orElseThrow()))
          .isGreaterThan(1_000);
    }
  }
}

package dev.pgbelay.keyset;

import static dev.pgbelay.keyset.OrdersSchema.CODEC;
import static dev.pgbelay.keyset.OrdersSchema.CREATED_AT;
import static dev.pgbelay.keyset.OrdersSchema.ID;
import static dev.pgbelay.keyset.OrdersSchema.ORDERS;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.jooq.impl.DSL.select;

import dev.pgbelay.testing.PostgresExtension;
import io.micrometer.core.instrument.Timer;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.util.List;
import java.util.concurrent.TimeUnit;
import javax.sql.DataSource;
import org.jooq.DSLContext;
import org.jooq.SQLDialect;
import org.jooq.SortField;
import org.jooq.exception.DataAccessException;
import org.jooq.impl.DSL;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

class KeysetMetricsPostgresTest {
  @RegisterExtension static final PostgresExtension postgres = PostgresExtension.create();

  private final DSLContext dsl = DSL.using(postgres.dataSource(), SQLDialect.POSTGRES);
  private final SimpleMeterRegistry registry = new SimpleMeterRegistry();

  @BeforeAll
  static void load(DataSource dataSource) {
    DSLContext dsl = DSL.using(dataSource, SQLDialect.POSTGRES);
    dsl.execute("create table orders (id bigint primary key, created_at timestamptz not null)");
    dsl.execute("insert into orders select i, now() from generate_series(1, 20) i");
  }

  private KeysetQuery<Long> query(String name, SortField<?>... order) {
    return KeysetQuery.from(select(ID).from(ORDERS))
        .named(name)
        .orderBy(order)
        .unique(ID)
        .cursors(CODEC)
        .meterRegistry(registry)
        .map(r -> r.get(ID))
        .build();
  }

  private Timer timer(String query, String position, String plan) {
    return registry
        .get("pgbelay.keyset.page")
        .tag("query", query)
        .tag("position", position)
        .tag("plan", plan)
        .timer();
  }

  @Test
  void pages_areTimedByQueryPositionAndPlan() {
    for (KeysetQuery<Long> query :
        List.of(
            query("uniform", CREATED_AT.asc(), ID.asc()),
            query("mixed", CREATED_AT.desc(), ID.asc()))) {
      Page<Long> page = query.fetch(dsl, PageRequest.first(5));
      String cursor = page.nextCursor().orElseThrow();
      query.fetch(dsl, PageRequest.after(cursor, 5));
      query.fetch(dsl, PageRequest.after(cursor, 5));
      query.fetch(dsl, PageRequest.before(cursor, 5));
      query.fetch(dsl, PageRequest.around(cursor, 5));
    }
    assertThat(timer("uniform", "first", "scan").count()).isEqualTo(1);
    assertThat(timer("uniform", "after", "row_value").count()).isEqualTo(2);
    assertThat(timer("uniform", "after", "row_value").totalTime(TimeUnit.NANOSECONDS)).isPositive();
    assertThat(timer("mixed", "after", "branches").count()).isEqualTo(2);
    assertThat(timer("mixed", "before", "branches").count()).isEqualTo(1);
    assertThat(timer("mixed", "around", "branches").count()).isEqualTo(1);
  }

  @Test
  void refusedCursor_isCountedByReason() {
    KeysetQuery<Long> query = query("counted", ID.asc());
    for (int i = 0; i < 3; i++) {
      assertThat(
              catchThrowableOfType(
                  InvalidCursorException.class,
                  () -> query.fetch(dsl, PageRequest.after("not a cursor", 5))))
          .isNotNull();
    }
    assertThat(
            registry
                .get("pgbelay.keyset.cursor.refused")
                .tag("query", "counted")
                .tag("reason", "malformed")
                .counter()
                .count())
        .isEqualTo(3);
  }

  @Test
  void failedStatement_keepsTheDriversException() {
    KeysetQuery<Long> broken =
        KeysetQuery.from(select(ID).from(DSL.table(DSL.name("missing"))))
            .named("broken")
            .orderBy(ID.asc())
            .unique(ID)
            .cursors(CODEC)
            .map(r -> r.get(ID))
            .build();
    DataAccessException failed =
        catchThrowableOfType(
            DataAccessException.class, () -> broken.fetch(dsl, PageRequest.first(5)));
    assertThat(failed).hasMessageContaining("broken");
    assertThat(failed.sqlState()).isEqualTo("42P01");
  }
}

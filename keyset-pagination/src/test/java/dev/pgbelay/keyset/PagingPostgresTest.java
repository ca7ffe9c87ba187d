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

import dev.pgbelay.keyset.Page.Neighbour;
import dev.pgbelay.testing.PostgresExtension;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import javax.sql.DataSource;
import org.jooq.DSLContext;
import org.jooq.SQLDialect;
import org.jooq.SortField;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

class PagingPostgresTest {
  @RegisterExtension static final PostgresExtension postgres = PostgresExtension.create();

  private final DSLContext dsl = DSL.using(postgres.dataSource(), SQLDialect.POSTGRES);

  @BeforeAll
  static void load(DataSource dataSource) {
    DSLContext dsl = DSL.using(dataSource, SQLDialect.POSTGRES);
    dsl.execute(
        """
        create table orders (
          id bigint primary key, customer_id bigint not null, status int not null,
          created_at timestamptz not null, shipped_at timestamptz)
        """);
    dsl.execute(
        """
        insert into orders
        select i, i % 3, i % 2, timestamptz '2026-01-01' + (i / 4) * interval '1 us',
               case when i % 3 > 0 then timestamptz '2026-02-01' + (i / 5) * interval '1 us' end
        from generate_series(1, 60) i
        """);
  }

  private KeysetQuery<Long> query(SortField<?>... order) {
    return KeysetQuery.from(select(ID).from(ORDERS))
        .named("orders")
        .orderBy(order)
        .unique(ID)
        .cursors(CODEC)
        .map(r -> r.get(ID))
        .build();
  }

  private List<Long> sorted(SortField<?>... order) {
    return dsl.select(ID).from(ORDERS).orderBy(order).fetch(ID);
  }

  private List<Long> forward(KeysetQuery<Long> query, int size) {
    List<Long> seen = new ArrayList<>();
    Page<Long> page = query.fetch(dsl, PageRequest.first(size));
    seen.addAll(page.items());
    while (page.hasNext()) {
      page = query.fetch(dsl, PageRequest.after(page.nextCursor().orElseThrow(), size));
      assertThat(page.items()).isNotEmpty();
      seen.addAll(page.items());
    }
    return seen;
  }

  private List<Long> backward(KeysetQuery<Long> query, int size) {
    List<Long> seen = new ArrayList<>();
    Page<Long> page = query.fetch(dsl, PageRequest.last(size));
    List<Long> items = new ArrayList<>(page.items());
    Collections.reverse(items);
    seen.addAll(items);
    while (page.hasPrevious()) {
      page = query.fetch(dsl, PageRequest.before(page.previousCursor().orElseThrow(), size));
      items = new ArrayList<>(page.items());
      Collections.reverse(items);
      seen.addAll(items);
    }
    Collections.reverse(seen);
    return seen;
  }

  @Test
  void everyOrder_isWalkedForwardAndBackward() {
    List<SortField<?>[]> orders =
        List.of(
            new SortField<?>[] {CREATED_AT.desc(), ID.desc()},
            new SortField<?>[] {CREATED_AT.desc(), ID.asc()},
            new SortField<?>[] {STATUS.asc(), CREATED_AT.asc(), ID.desc()},
            new SortField<?>[] {SHIPPED_AT.asc().nullsLast(), ID.asc()},
            new SortField<?>[] {SHIPPED_AT.asc().nullsFirst(), ID.asc()},
            new SortField<?>[] {SHIPPED_AT.desc().nullsLast(), ID.asc()},
            new SortField<?>[] {STATUS.asc(), SHIPPED_AT.desc().nullsFirst(), ID.desc()});
    for (SortField<?>[] order : orders) {
      KeysetQuery<Long> query = query(order);
      for (int size : new int[] {1, 7, 20, 60, 100}) {
        assertThat(forward(query, size)).as("%s", query).isEqualTo(sorted(order));
        assertThat(backward(query, size)).as("%s", query).isEqualTo(sorted(order));
      }
    }
  }

  @Test
  void filters_bindCursorsAndRows() {
    KeysetQuery<Long> query =
        KeysetQuery.from(
                select(ID)
                    .from(ORDERS)
                    .where(CUSTOMER.eq(param("customer", SQLDataType.BIGINT)).or(ID.eq(3L))))
            .orderBy(CREATED_AT.desc())
            .unique(ID)
            .cursors(CODEC)
            .map(r -> r.get(ID))
            .build();
    List<Long> expected =
        dsl.select(ID)
            .from(ORDERS)
            .where(CUSTOMER.eq(1L).or(ID.eq(3L)))
            .orderBy(CREATED_AT.desc(), ID.desc())
            .fetch(ID);
    assertThat(forward(query.with("customer", 1L), 4)).isEqualTo(expected);
  }

  @Test
  void aroundFromAndCounts() {
    KeysetQuery<Long> query = query(ID.asc());
    Page<Long> page = query.fetch(dsl, PageRequest.aroundKeys(5, 30L));
    assertThat(page.items()).containsExactly(28L, 29L, 30L, 31L, 32L);
    assertThat(page.next()).isEqualTo(Neighbour.SOME);
    assertThat(page.previous()).isEqualTo(Neighbour.SOME);
    page = query.fetch(dsl, PageRequest.fromKeys(3, 58L).withBothEnds().withCountUpTo(10));
    assertThat(page.items()).containsExactly(58L, 59L, 60L);
    assertThat(page.next()).isEqualTo(Neighbour.NONE);
    assertThat(page.previous()).isEqualTo(Neighbour.SOME);
    assertThat(page.count()).contains(new Page.Count(10, Page.Count.Precision.AT_LEAST));
    assertThat(query.estimateCount(dsl).rows()).isPositive();
  }
}

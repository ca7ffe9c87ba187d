package dev.pgbelay.keyset;

import static org.assertj.core.api.Assertions.assertThat;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.param;
import static org.jooq.impl.DSL.select;

import dev.pgbelay.keyset.Page.Neighbour;
import dev.pgbelay.testing.PostgresExtension;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.jooq.Condition;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.SQLDialect;
import org.jooq.Select;
import org.jooq.SortField;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/**
 * Random tables, orders, page sizes and ways to walk: every page must be the slice of the one
 * sorted query that it claims to be. Pages alternate between sessions with other time zones, date
 * styles and float digits, because a cursor must not care.
 */
class RandomWalksPostgresTest {
  private static final long SEED = Long.getLong("pgbelay.seed", System.nanoTime());
  private static final boolean FULL = "full".equals(System.getProperty("pgbelay.scale"));
  private static final int SCHEMAS = FULL ? 600 : 110;
  private static final int WALKS_PER_SCHEMA = 20;

  @RegisterExtension static final PostgresExtension postgres = PostgresExtension.create();

  private final Random random = new Random(SEED);
  private int schema;
  private int walk;

  @Test
  void anyWalk_equalsTheOneSortedQuery() throws SQLException {
    System.out.println("RandomWalksPostgresTest: -Dpgbelay.seed=" + SEED);
    int walks = 0;
    try (Connection one = postgres.database().connect();
        Connection other = postgres.database().connect()) {
      DSLContext dsl = DSL.using(one, SQLDialect.POSTGRES);
      DSLContext elsewhere = DSL.using(other, SQLDialect.POSTGRES);
      dsl.execute("create extension citext");
      dsl.execute("create type mood as enum ('sad', 'ok', 'happy', 'angry')");
      dsl.execute(
          "create collation pgbelay_ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false)");
      elsewhere.execute("set timezone = 'Pacific/Kiritimati'");
      elsewhere.execute("set extra_float_digits = 0");
      elsewhere.execute("set bytea_output = 'escape'");
      elsewhere.execute("set datestyle = 'ISO, DMY'");
      elsewhere.execute("set plan_cache_mode = force_generic_plan");
      for (schema = 0; schema < SCHEMAS; schema++) {
        RandomSchema table = new RandomSchema(random, schema);
        table.create(dsl);
        for (walk = 0; walk < WALKS_PER_SCHEMA; walk++) {
          walk(table, dsl, elsewhere);
          walks++;
        }
        dsl.execute("drop table " + table.tableName);
      }
    }
    assertThat(walks).isGreaterThanOrEqualTo(2_000);
  }

  private void walk(RandomSchema table, DSLContext dsl, DSLContext elsewhere) {
    List<SortField<?>> order = table.order();
    Field<Long> id = field(name(table.tableName, "id"), SQLDataType.BIGINT.notNull());
    int below = random.nextInt(6);
    boolean filtered = random.nextInt(3) == 0;
    Condition filter =
        filtered
            ? RandomSchema.BUCKET
                .lt(param("below", SQLDataType.INTEGER))
                .or(RandomSchema.BUCKET.eq(4))
            : DSL.noCondition();
    Select<?> select = select(id).from(table.table).where(filter);
    KeysetQueryBuilder<?> builder =
        KeysetQuery.from(select)
            .named(table.tableName)
            .orderBy(order.toArray(SortField<?>[]::new))
            .unique(table.uniqueKey.toArray(Field<?>[]::new))
            .cursors(OrdersSchema.CODEC);
    KeysetQuery<Long> query = builder.mapRow(row -> row.getLong(1)).build();
    List<SortField<?>> whole = new ArrayList<>();
    for (SortKey key : query.prepared().keys()) {
      whole.add(
          key.descending()
              ? (key.nullsFirst()
                  ? key.field().desc().nullsFirst()
                  : key.field().desc().nullsLast())
              : (key.nullsFirst()
                  ? key.field().asc().nullsFirst()
                  : key.field().asc().nullsLast()));
    }
    Condition plainFilter =
        filtered ? RandomSchema.BUCKET.lt(below).or(RandomSchema.BUCKET.eq(4)) : DSL.noCondition();
    List<Long> sorted =
        dsl.select(id).from(table.table).where(plainFilter).orderBy(whole).fetch(id);
    if (filtered) {
      query = query.with("below", below);
    }
    int size = size(sorted.size());
    String what =
        "seed %d, schema %d, walk %d: %s, %d rows, pages of %d, columns %s"
            .formatted(SEED, schema, walk, query, sorted.size(), size, table.columns);
    DSLContext[] sessions = {dsl, elsewhere};
    switch (walk % 4) {
      case 0 -> assertThat(forward(query, size, sessions)).as(what).isEqualTo(sorted);
      case 1 -> assertThat(backward(query, size, sessions)).as(what).isEqualTo(sorted);
      case 2 -> zigzag(query, size, sorted, sessions, what);
      default -> jumps(query, size, sorted, sessions, what);
    }
  }

  /** One, all, an exact divisor, or anything. */
  private int size(int rows) {
    return switch (random.nextInt(4)) {
      case 0 -> 1;
      case 1 -> Math.max(1, rows);
      case 2 -> rows % 2 == 0 && rows > 0 ? rows / 2 : rows % 3 == 0 && rows > 0 ? rows / 3 : 5;
      default -> 1 + random.nextInt(rows + 3);
    };
  }

  private List<Long> forward(KeysetQuery<Long> query, int size, DSLContext[] sessions) {
    Page<Long> page = query.fetch(sessions[0], PageRequest.first(size));
    List<Long> seen = new ArrayList<>(page.items());
    while (page.hasNext()) {
      String cursor = page.nextCursor().orElseThrow();
      page = query.fetch(sessions[random.nextInt(2)], PageRequest.after(cursor, size));
      assertThat(page.items()).isNotEmpty();
      seen.addAll(page.items());
    }
    return seen;
  }

  private List<Long> backward(KeysetQuery<Long> query, int size, DSLContext[] sessions) {
    Page<Long> page = query.fetch(sessions[0], PageRequest.last(size));
    List<Long> seen = new ArrayList<>(page.items());
    while (page.hasPrevious()) {
      String cursor = page.previousCursor().orElseThrow();
      page = query.fetch(sessions[random.nextInt(2)], PageRequest.before(cursor, size));
      assertThat(page.items()).isNotEmpty();
      seen.addAll(0, page.items());
    }
    return seen;
  }

  /** Back and forth by the pages' own cursors, over the ends and back. */
  private void zigzag(
      KeysetQuery<Long> query, int size, List<Long> sorted, DSLContext[] sessions, String what) {
    Page<Long> page = query.fetch(sessions[0], PageRequest.first(size));
    int from = 0;
    int to = Math.min(size, sorted.size());
    for (int step = 0; step < 12; step++) {
      assertThat(page.items()).as(what).isEqualTo(sorted.subList(from, to));
      assertThat(page.next()).as(what).isIn(Neighbour.NOT_ASKED, some(to < sorted.size()));
      assertThat(page.previous()).as(what).isIn(Neighbour.NOT_ASKED, some(from > 0));
      boolean ahead = random.nextBoolean();
      String cursor = (ahead ? page.nextCursor() : page.previousCursor()).orElse(null);
      if (cursor == null) {
        assertThat(ahead ? to : from).as(what).isEqualTo(ahead ? sorted.size() : 0);
        continue;
      }
      int newSize = 1 + random.nextInt(size + 1);
      PageRequest request =
          ahead ? PageRequest.after(cursor, newSize) : PageRequest.before(cursor, newSize);
      boolean bothEnds = random.nextBoolean();
      page = query.fetch(sessions[random.nextInt(2)], bothEnds ? request.withBothEnds() : request);
      if (ahead) {
        from = to;
        to = Math.min(from + newSize, sorted.size());
      } else {
        to = from;
        from = Math.max(0, to - newSize);
      }
      if (bothEnds) {
        assertThat(page.next()).as(what).isEqualTo(some(to < sorted.size()));
        assertThat(page.previous()).as(what).isEqualTo(some(from > 0));
      }
    }
  }

  /** From and around a row in the middle, and the counts. */
  private void jumps(
      KeysetQuery<Long> query, int size, List<Long> sorted, DSLContext[] sessions, String what) {
    Page<Long> all =
        query.fetch(
            sessions[0], PageRequest.first(Math.max(1, sorted.size())).withCountUpTo(1_000));
    assertThat(all.count())
        .as(what)
        .contains(new Page.Count(sorted.size(), Page.Count.Precision.EXACT));
    for (int step = 0; step < 5 && !sorted.isEmpty(); step++) {
      int at = random.nextInt(sorted.size());
      String cursor = all.cursors().get(at);
      Page<Long> from =
          query.fetch(sessions[random.nextInt(2)], PageRequest.from(cursor, size).withBothEnds());
      assertThat(from.items())
          .as(what)
          .isEqualTo(sorted.subList(at, Math.min(at + size, sorted.size())));
      assertThat(from.previous()).as(what).isEqualTo(some(at > 0));
      Page<Long> around =
          query.fetch(sessions[random.nextInt(2)], PageRequest.around(cursor, size));
      int before = size == 2 ? 1 : (size - 1) / 2;
      int start = Math.max(0, at - before);
      int end = Math.min(at + size - before, sorted.size());
      assertThat(around.items()).as(what).isEqualTo(sorted.subList(start, end));
      assertThat(around.previous()).as(what).isEqualTo(some(start > 0));
      assertThat(around.next()).as(what).isEqualTo(some(end < sorted.size()));
    }
  }

  private static Neighbour some(boolean exists) {
    return exists ? Neighbour.SOME : Neighbour.NONE;
  }
}

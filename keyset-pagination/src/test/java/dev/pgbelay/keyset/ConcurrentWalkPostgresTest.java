package dev.pgbelay.keyset;

import static dev.pgbelay.keyset.OrdersSchema.CODEC;
import static org.assertj.core.api.Assertions.assertThat;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.select;
import static org.jooq.impl.DSL.table;

import dev.pgbelay.testing.PostgresExtension;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import javax.sql.DataSource;
import org.awaitility.Awaitility;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/**
 * While others insert, delete and re-key rows, a walk sees every row that nobody touches exactly
 * once and in order. Touched rows may be seen or not, but never twice in one place.
 */
class ConcurrentWalkPostgresTest {
  private static final long SEED = Long.getLong("pgbelay.seed", System.nanoTime());
  private static final int QUIET = 1_500;
  private static final int WALKS = 30;

  @RegisterExtension static final PostgresExtension postgres = PostgresExtension.create();

  private static final Field<Long> ID = field(name("busy", "id"), SQLDataType.BIGINT.notNull());
  private static final Field<Integer> LEAD = field(name("busy", "lead"), SQLDataType.INTEGER);
  private static final Field<Boolean> QUIET_ROW =
      field(name("busy", "quiet"), SQLDataType.BOOLEAN.notNull());

  private final DSLContext dsl = DSL.using(postgres.dataSource(), SQLDialect.POSTGRES);
  private final KeysetQuery<Row> query =
      KeysetQuery.from(select(ID, LEAD, QUIET_ROW).from(table(name("busy"))))
          .orderBy(LEAD.desc().nullsLast(), ID.asc())
          .unique(ID)
          .cursors(CODEC)
          .map(r -> new Row(r.get(ID), r.get(LEAD), r.get(QUIET_ROW)))
          .build();

  private record Row(long id, Integer lead, boolean quiet) {
    /** Places that a walk in the query's order meets one after the other compare as smaller. */
    boolean isBefore(Row other) {
      int mine = lead == null ? Integer.MIN_VALUE : lead;
      int theirs = other.lead == null ? Integer.MIN_VALUE : other.lead;
      return mine != theirs ? mine > theirs : id < other.id;
    }
  }

  @BeforeAll
  static void load(DataSource dataSource) {
    DSLContext dsl = DSL.using(dataSource, SQLDialect.POSTGRES);
    dsl.execute("create table busy (id bigint primary key, lead int, quiet boolean not null)");
    dsl.execute(
        "insert into busy select i * 10, nullif(i %% 20, 0), true from generate_series(1, %d) i"
            .formatted(QUIET));
    dsl.execute("create index on busy (lead desc nulls last, id)");
    dsl.execute("analyze busy");
  }

  @Test
  void walkUnderConcurrentWrites_seesEveryQuietRowOnceAndInOrder() throws Exception {
    System.out.println("ConcurrentWalkPostgresTest: -Dpgbelay.seed=" + SEED);
    AtomicBoolean stop = new AtomicBoolean();
    AtomicLong writes = new AtomicLong();
    ExecutorService writers = Executors.newFixedThreadPool(2);
    try {
      List<Future<?>> running = new ArrayList<>();
      for (int w = 0; w < 2; w++) {
        Random random = new Random(SEED + w);
        running.add(writers.submit(() -> write(random, stop, writes)));
      }
      List<Row> quiet = quietRows();
      Random random = new Random(SEED);
      long touched = 0;
      for (int walk = 0; walk < WALKS; walk++) {
        List<Row> seen =
            walk % 2 == 0 ? forward(1 + random.nextInt(60)) : backward(1 + random.nextInt(60));
        assertThat(seen.stream().filter(Row::quiet).toList())
            .as("walk %d, seed %d", walk, SEED)
            .isEqualTo(quiet);
        for (int i = 1; i < seen.size(); i++) {
          assertThat(seen.get(i - 1).isBefore(seen.get(i)))
              .as("%s before %s", seen.get(i - 1), seen.get(i))
              .isTrue();
        }
        touched += seen.size() - quiet.size();
      }
      Awaitility.await().until(() -> writes.get() > 500);
      stop.set(true);
      for (Future<?> writer : running) {
        writer.get();
      }
      assertThat(touched).as("the walks met rows of the writers").isPositive();
    } finally {
      stop.set(true);
      writers.shutdownNow();
    }
  }

  private List<Row> quietRows() {
    return dsl.select(ID, LEAD, QUIET_ROW)
        .from(table(name("busy")))
        .where(QUIET_ROW)
        .orderBy(LEAD.desc().nullsLast(), ID.asc())
        .fetch(r -> new Row(r.get(ID), r.get(LEAD), r.get(QUIET_ROW)));
  }

  private List<Row> forward(int size) {
    Page<Row> page = query.fetch(dsl, PageRequest.first(size));
    List<Row> seen = new ArrayList<>(page.items());
    while (page.hasNext()) {
      page = query.fetch(dsl, PageRequest.after(page.nextCursor().orElseThrow(), size));
      seen.addAll(page.items());
    }
    return seen;
  }

  private List<Row> backward(int size) {
    Page<Row> page = query.fetch(dsl, PageRequest.last(size));
    List<Row> seen = new ArrayList<>(page.items());
    while (page.hasPrevious()) {
      page = query.fetch(dsl, PageRequest.before(page.previousCursor().orElseThrow(), size));
      seen.addAll(0, page.items());
    }
    return seen;
  }

  private void write(Random random, AtomicBoolean stop, AtomicLong writes) {
    try (Connection connection = postgres.database().connect();
        PreparedStatement insert =
            connection.prepareStatement(
                "insert into busy values (?, ?, false) on conflict (id) do update set lead = excluded.lead");
        PreparedStatement delete =
            connection.prepareStatement("delete from busy where id = ? and not quiet")) {
      while (!stop.get()) {
        long id = random.nextInt(QUIET * 10);
        if (random.nextInt(3) > 0 && id % 10 != 0) {
          insert.setLong(1, id);
          insert.setObject(
              2, random.nextInt(5) == 0 ? null : random.nextInt(20), java.sql.Types.INTEGER);
          insert.executeUpdate();
        } else {
          delete.setLong(1, id);
          delete.executeUpdate();
        }
        writes.incrementAndGet();
      }
    } catch (SQLException e) {
      throw new IllegalStateException(e);
    }
  }
}

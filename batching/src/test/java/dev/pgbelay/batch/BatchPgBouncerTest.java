package dev.pgbelay.batch;

import static dev.pgbelay.batch.BatchSchema.ID;
import static dev.pgbelay.batch.BatchSchema.ITEM;
import static dev.pgbelay.batch.BatchSchema.NAME;
import static dev.pgbelay.batch.BatchSchema.QTY;
import static dev.pgbelay.batch.BatchSchema.item;
import static dev.pgbelay.batch.BatchSchema.items;
import static org.assertj.core.api.Assertions.assertThat;
import static org.jooq.impl.DSL.excluded;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.batch.BatchResult.Outcome;
import dev.pgbelay.batch.BatchSchema.Item;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.testing.PgBouncer;
import dev.pgbelay.testing.PostgresDatabase;
import dev.pgbelay.testing.PostgresExtension;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.function.BiFunction;
import java.util.stream.LongStream;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Two server connections for eight clients: what stays behind on a session is met by another. */
@Timeout(300)
class BatchPgBouncerTest {
  private static final int CLIENTS = 8;

  @RegisterExtension static final PostgresExtension postgres = PostgresExtension.create();

  private static @Nullable PgBouncer bouncer;
  private static @Nullable HikariDataSource pool;

  private final Transactions direct = Transactions.of(postgres.dataSource());

  @AfterAll
  static void stop() {
    if (pool != null) {
      pool.close();
    }
    if (bouncer != null) {
      bouncer.close();
    }
  }

  /** Before each test, and not before all, so that each is told as skipped where there is none. */
  @BeforeEach
  void createTable() {
    if (pool == null) {
      PostgresDatabase database = postgres.database();
      bouncer = PgBouncer.inFrontOf(database.cluster().primary(), 2);
      HikariConfig config = new HikariConfig();
      config.setJdbcUrl(bouncer.jdbcUrl(database.name()) + "&prepareThreshold=0");
      config.setMaximumPoolSize(CLIENTS);
      pool = new HikariDataSource(config);
    }
    direct.execute(tx -> tx.dsl().execute(BatchSchema.CREATE_ITEM));
  }

  @AfterEach
  void dropTable() {
    direct.execute(tx -> tx.dsl().execute("drop table if exists item"));
  }

  private static HikariDataSource pool() {
    return Objects.requireNonNull(pool);
  }

  private long sum() {
    return direct.run(
        tx -> tx.dsl().fetchSingle("select coalesce(sum(qty), 0) from item").get(0, long.class));
  }

  /** Every client does the work so often, each time with other rows. */
  private static void together(int times, BiFunction<Tx, Integer, BatchResult> work)
      throws Exception {
    Transactions transactions = Transactions.of(pool());
    ExecutorService threads = Executors.newFixedThreadPool(CLIENTS);
    try {
      List<Future<?>> running = new ArrayList<>();
      for (int client = 0; client < CLIENTS; client++) {
        int first = client * times;
        running.add(
            threads.submit(
                () -> {
                  for (int i = 0; i < times; i++) {
                    int number = first + i;
                    transactions.run(tx -> work.apply(tx, number));
                  }
                }));
      }
      for (Future<?> each : running) {
        each.get(240, TimeUnit.SECONDS);
      }
    } finally {
      threads.shutdownNow();
    }
  }

  @Test
  void everyRouteOfTheWriter_worksInTransactionMode() throws Exception {
    BatchWriter<Item> adding = items().updating(QTY).set(QTY, QTY.plus(excluded(QTY))).build();
    List<BatchWriter<Item>> upserts =
        List.of(
            adding,
            items()
                .updating(QTY)
                .set(QTY, QTY.plus(excluded(QTY)))
                .path(WritePlan.Path.STAGED)
                .build());
    together(
        12,
        (tx, number) ->
            upserts
                .get(number % 2)
                .upsert(
                    tx,
                    new Random(number)
                        .ints(0, 300)
                        .distinct()
                        .limit(100)
                        .mapToObj(id -> item(id).withQty(1))
                        .toList()));
    assertThat(sum()).isEqualTo(CLIENTS * 12 * 100);

    BatchWriter<Item> copying = items().path(WritePlan.Path.COPY).build();
    BatchWriter<Item> returning = items().returning(NAME).build();
    together(
        10,
        (tx, number) -> {
          int first = 10_000 + number * 50;
          if (number % 2 == 0) {
            return copying.insert(tx, items(first, first + 50));
          }
          BatchResult result = returning.insertReturning(tx, items(first, first + 50));
          assertThat(result.returned(3, NAME)).isEqualTo(item(first + 3).name());
          return result;
        });
    BatchWriter<Item> unnest = items().updating(QTY).path(WritePlan.Path.UNNEST).build();
    BatchWriter<Item> partial = items().partial().build();
    together(
        10,
        (tx, number) -> {
          int first = 10_000 + number * 50;
          List<Item> rows = new ArrayList<>(items(first, first + 50));
          if (number % 3 == 0) {
            return unnest.update(tx, rows);
          }
          if (number % 3 == 1) {
            return unnest.delete(tx, rows);
          }
          rows.set(17, rows.get(17).withQty(-1));
          BatchResult result = partial.upsert(tx, rows);
          assertThat(result.rows(Outcome.REJECTED)).containsExactly(17);
          return result;
        });
  }

  @Test
  void coalescer_worksInTransactionMode() throws Exception {
    BatchWriter<Item> adding = items().updating(QTY).set(QTY, QTY.plus(excluded(QTY))).build();
    try (WriteCoalescer<Item> coalescer =
        WriteCoalescer.builder(Transactions.of(pool()), adding).flushers(4).build()) {
      ExecutorService threads = Executors.newFixedThreadPool(16);
      try {
        List<Future<Outcome>> fates = new ArrayList<>();
        for (int i = 0; i < 1_000; i++) {
          int id = i;
          fates.add(
              threads.submit(
                  () -> coalescer.submit(item(id).withQty(1)).get(60, TimeUnit.SECONDS)));
        }
        for (Future<Outcome> fate : fates) {
          assertThat(fate.get()).isEqualTo(Outcome.INSERTED);
        }
      } finally {
        threads.shutdownNow();
      }
    }
    assertThat(sum()).isEqualTo(1_000);
  }

  @Test
  void loader_worksInTransactionMode() throws Exception {
    direct.run(tx -> items().build().insert(tx, items(0, 500)));
    KeyedLoader<Long, String> names =
        KeyedLoader.of(ITEM, ID).columns(NAME).map(row -> String.valueOf(row.get(NAME))).build();
    ExecutorService threads = Executors.newFixedThreadPool(CLIENTS);
    try {
      List<Future<?>> running = new ArrayList<>();
      for (int client = 0; client < CLIENTS; client++) {
        int seed = client;
        running.add(
            threads.submit(
                () -> {
                  Random random = new Random(seed);
                  for (int i = 0; i < 50; i++) {
                    List<Long> keys =
                        LongStream.generate(() -> random.nextInt(1_000)).limit(20).boxed().toList();
                    Loaded<Long, String> loaded =
                        names.load(DSL.using(pool(), SQLDialect.POSTGRES), keys);
                    for (long key : keys) {
                      assertThat(loaded.find(key).isPresent()).isEqualTo(key < 500);
                    }
                  }
                }));
      }
      for (Future<?> each : running) {
        each.get(60, TimeUnit.SECONDS);
      }
    } finally {
      threads.shutdownNow();
    }
  }
}

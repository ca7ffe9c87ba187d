package dev.pgbelay.batch;

import static dev.pgbelay.batch.BatchSchema.ID;
import static dev.pgbelay.batch.BatchSchema.ITEM;
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
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.testing.FaultProxy;
import dev.pgbelay.testing.PostgresExtension;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The connection is cut at COMMIT, before and after the server got it, in every operation. Each
 * write adds to what is stored wherever it can, so that one that is done twice shows.
 */
class BatchCommitCutTest {
  private static final int STORED = 50;
  private static final int ROWS = 100;

  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.create().withPoolSize(4);

  private static @Nullable FaultProxy proxy;
  private static @Nullable HikariDataSource pool;

  private final Transactions direct = Transactions.of(postgres.dataSource());

  /** One way to write rows, and what must be stored then. */
  private record Way(
      String name,
      WritePlan.Operation operation,
      boolean returning,
      BatchWriter<Item> writer,
      Map<Long, Integer> stored) {
    BatchResult write(dev.pgbelay.core.Tx tx, List<Item> rows) {
      return switch (operation) {
        case INSERT -> returning ? writer.insertReturning(tx, rows) : writer.insert(tx, rows);
        case UPSERT -> writer.upsert(tx, rows);
        case UPDATE -> writer.update(tx, rows);
        case DELETE -> writer.delete(tx, rows);
      };
    }

    /** Inserts bring new rows, everything else meets the stored ones as well. */
    List<Item> rows() {
      int first = operation == WritePlan.Operation.INSERT ? STORED : 0;
      return IntStream.range(first, first + ROWS).mapToObj(id -> item(id).withQty(1)).toList();
    }

    @Override
    public String toString() {
      return name;
    }
  }

  private record Cut(Way way, boolean before) {
    @Override
    public String toString() {
      return way + (before ? ", before" : ", after") + " COMMIT reached the server";
    }
  }

  private static BatchWriter.Builder<Item> adding() {
    return items().updating(QTY).set(QTY, QTY.plus(excluded(QTY)));
  }

  private static Map<Long, Integer> quantities(int end, int common, int fresh) {
    Map<Long, Integer> all = new TreeMap<>();
    for (long id = 0; id < end; id++) {
      all.put(id, id < STORED ? common : fresh);
    }
    return all;
  }

  private static Stream<Cut> cuts() {
    WritePlan.Path arrays = WritePlan.Path.UNNEST;
    WritePlan.Path staged = WritePlan.Path.STAGED;
    Map<Long, Integer> inserted = quantities(STORED + ROWS, 10, 1);
    Map<Long, Integer> added = quantities(ROWS, 11, 1);
    Map<Long, Integer> updated = quantities(STORED, 11, 0);
    Map<Long, Integer> set = quantities(ROWS, 1, 1);
    List<Way> ways =
        List.of(
            new Way(
                "insert, arrays",
                WritePlan.Operation.INSERT,
                false,
                items().path(arrays).build(),
                inserted),
            new Way(
                "insert, COPY",
                WritePlan.Operation.INSERT,
                false,
                items().path(WritePlan.Path.COPY).build(),
                inserted),
            new Way(
                "insertReturning",
                WritePlan.Operation.INSERT,
                true,
                items().returning(ID, QTY).build(),
                inserted),
            new Way(
                "upsert, expression, arrays",
                WritePlan.Operation.UPSERT,
                false,
                adding().path(arrays).build(),
                added),
            new Way(
                "upsert, expression, stage",
                WritePlan.Operation.UPSERT,
                false,
                adding().path(staged).build(),
                added),
            new Way(
                "upsert, expression, counts only",
                WritePlan.Operation.UPSERT,
                false,
                adding().countsOnly().build(),
                added),
            new Way("upsert, all columns", WritePlan.Operation.UPSERT, false, items().build(), set),
            new Way(
                "upsert, only if changed",
                WritePlan.Operation.UPSERT,
                false,
                items().updating(QTY).onlyIfChanged().build(),
                set),
            new Way(
                "upsert, ignoring conflicts",
                WritePlan.Operation.UPSERT,
                false,
                items().ignoreConflicts().build(),
                quantities(ROWS, 10, 1)),
            new Way(
                "upsert, condition",
                WritePlan.Operation.UPSERT,
                false,
                adding().onlyIf(QTY.lt(11)).build(),
                added),
            new Way(
                "update, arrays",
                WritePlan.Operation.UPDATE,
                false,
                adding().path(arrays).build(),
                updated),
            new Way(
                "update, stage",
                WritePlan.Operation.UPDATE,
                false,
                adding().path(staged).build(),
                updated),
            new Way(
                "update, unordered",
                WritePlan.Operation.UPDATE,
                false,
                adding().unordered().build(),
                updated),
            new Way(
                "delete, arrays",
                WritePlan.Operation.DELETE,
                false,
                items().path(arrays).build(),
                Map.of()),
            new Way(
                "delete, stage",
                WritePlan.Operation.DELETE,
                false,
                items().path(staged).build(),
                Map.of()));
    return ways.stream().flatMap(way -> Stream.of(new Cut(way, true), new Cut(way, false)));
  }

  @BeforeAll
  static void startProxy() {
    proxy = FaultProxy.inFrontOf(postgres.database().cluster().primary());
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(proxy.jdbcUrl(postgres.database().name()));
    config.setMaximumPoolSize(4);
    pool = new HikariDataSource(config);
  }

  @AfterAll
  static void stopProxy() {
    if (pool != null) {
      pool.close();
    }
    if (proxy != null) {
      proxy.close();
    }
  }

  @BeforeEach
  void createTable() {
    direct.execute(
        tx -> {
          tx.dsl().execute(BatchSchema.CREATE_ITEM);
          items()
              .build()
              .insert(tx, IntStream.range(0, STORED).mapToObj(id -> item(id).withQty(10)).toList());
        });
  }

  @AfterEach
  void dropTable() {
    direct.execute(tx -> tx.dsl().execute("drop table item"));
  }

  private static TxOptions resolving(String path) {
    return TxOptions.builder().path(path).resolveOutcome(Duration.ofSeconds(20)).build();
  }

  private static void cutCommit(boolean before, int nth) {
    FaultProxy cutting = Objects.requireNonNull(proxy);
    if (before) {
      cutting.cutBeforeCommit(nth);
    } else {
      cutting.cutAfterCommit(nth);
    }
  }

  private Map<Long, Integer> stored() {
    return direct.run(
        tx ->
            tx.dsl().select(ID, QTY).from(ITEM).fetch().stream()
                .collect(
                    Collectors.toMap(
                        row -> row.value1(), row -> row.value2(), (a, b) -> a, TreeMap::new)));
  }

  @ParameterizedTest
  @MethodSource("cuts")
  void connectionCutAtCommit_losesNothingAndDoublesNothing(Cut cut) {
    Transactions cutting = Transactions.of(Objects.requireNonNull(pool));
    Way way = cut.way();
    long before = Objects.requireNonNull(proxy).counters().cutsBeforeCommit();
    long after = Objects.requireNonNull(proxy).counters().cutsAfterCommit();
    cutCommit(cut.before(), 1);
    BatchResult result = cutting.run(resolving("cut"), tx -> way.write(tx, way.rows()));
    assertThat(result.size()).isEqualTo(ROWS);
    assertThat(stored()).isEqualTo(way.stored());
    assertThat(
            proxy.counters().cutsBeforeCommit()
                - before
                + proxy.counters().cutsAfterCommit()
                - after)
        .as("cuts that happened")
        .isEqualTo(1);
  }

  @Test
  void coalescer_connectionsCutAtCommit_everyFutureTellsTheTruth() throws Exception {
    Transactions cutting = Transactions.of(Objects.requireNonNull(pool));
    long seed = Long.getLong("pgbelay.seed", System.nanoTime());
    System.out.println("pgbelay.seed=" + seed);
    int rounds = 200;
    Map<Long, Integer> expected = new TreeMap<>(stored());
    FaultProxy storm = Objects.requireNonNull(proxy);
    try (WriteCoalescer<Item> coalescer =
        WriteCoalescer.builder(
                cutting,
                adding().duplicates(Duplicates.last().fold(QTY, (a, b) -> a.plus(b))).build())
            .flushRows(7)
            .flushers(2)
            .options(
                resolving("coalescer").toBuilder()
                    .retry(
                        TxOptions.Retry.defaults()
                            .withMaxAttempts(50)
                            .withMaxElapsed(Duration.ofSeconds(30))
                            .withPauses(Duration.ofMillis(1), Duration.ofMillis(20)))
                    .build())
            .build()) {
      storm.cutCommitsAtRandom(seed, 0.15, 0.15);
      List<CompletableFuture<Outcome>> futures = new ArrayList<>();
      for (int i = 0; i < rounds * 5; i++) {
        long id = i % 90;
        futures.add(coalescer.submit(item((int) id).withQty(1)));
        expected.merge(id, 1, Integer::sum);
      }
      for (CompletableFuture<Outcome> future : futures) {
        assertThat(future.get(60, TimeUnit.SECONDS))
            .isIn(Outcome.INSERTED, Outcome.UPDATED, Outcome.DUPLICATE);
      }
    } finally {
      storm.cutCommitsAtRandom(seed, 0, 0);
    }
    assertThat(stored()).as("seed %s", seed).isEqualTo(expected);
  }
}

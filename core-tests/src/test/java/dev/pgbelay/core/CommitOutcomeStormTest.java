package dev.pgbelay.core;

import static org.assertj.core.api.Assertions.assertThat;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.testing.FaultProxy;
import dev.pgbelay.testing.FaultProxy.Direction;
import dev.pgbelay.testing.PostgresDatabase;
import dev.pgbelay.testing.PostgresExtension;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;

/**
 * Connections are cut before and after COMMIT reached the server and in the middle of everything
 * else; what the callers were told is then held against what the tables say.
 */
@ExtendWith(PostgresExtension.class)
@Timeout(300)
class CommitOutcomeStormTest {
  private static final long SEED =
      Long.getLong("pgbelay.seed", ThreadLocalRandom.current().nextLong());
  private static final boolean FULL = "full".equals(System.getProperty("pgbelay.scale"));
  private static final Set<FailureKind> EXPECTED_KINDS =
      Set.of(FailureKind.OUTCOME_UNKNOWN, FailureKind.CONNECTION_LOST, FailureKind.CANNOT_CONNECT);
  private static final int THREADS = 6;
  private static final int COUNTERS = 3;

  private final PostgresDatabase database;
  private final AtomicLong operations = new AtomicLong();
  private final Map<Told, Set<Long>> told = new ConcurrentHashMap<>();
  private final Set<Long> hooked = ConcurrentHashMap.newKeySet();
  private final AtomicLongArray expected = new AtomicLongArray(COUNTERS);

  /** What the caller of one operation was told. */
  private enum Told {
    COMMITTED,
    NOT_COMMITTED,
    UNKNOWN
  }

  CommitOutcomeStormTest(PostgresDatabase database) {
    this.database = database;
  }

  private Set<Long> told(Told outcome) {
    return told.computeIfAbsent(outcome, each -> ConcurrentHashMap.newKeySet());
  }

  @BeforeEach
  void makeTables() throws SQLException {
    execute(
        """
        CREATE TABLE counter (id int PRIMARY KEY, n bigint NOT NULL) WITH (fillfactor = 50);
        INSERT INTO counter SELECT id, 0 FROM generate_series(0, 2) id;
        CREATE TABLE done (operation bigint NOT NULL)""");
  }

  @AfterEach
  void dropTables() throws SQLException {
    execute("DROP TABLE counter, done");
  }

  private void execute(String sql) throws SQLException {
    try (Connection connection = database.connect();
        Statement statement = connection.createStatement()) {
      statement.execute(sql);
    }
  }

  private List<Long> numbers(String sql) throws SQLException {
    try (Connection connection = database.connect();
        Statement statement = connection.createStatement();
        ResultSet row = statement.executeQuery(sql)) {
      List<Long> numbers = new ArrayList<>();
      while (row.next()) {
        numbers.add(row.getLong(1));
      }
      return numbers;
    }
  }

  @Test
  void resolvedOutcomes_neverLoseAndNeverDoubleAWrite() throws Exception {
    int cuts = FULL ? 6_000 : 1_000;
    TxOptions options =
        TxOptions.builder()
            .path("storm")
            .resolveOutcome(Duration.ofSeconds(20))
            .retry(
                TxOptions.Retry.defaults()
                    .withMaxAttempts(50)
                    .withMaxElapsed(Duration.ofSeconds(30))
                    .withPauses(Duration.ofMillis(1), Duration.ofMillis(20)))
            .build();
    storm(options, cuts);

    assertThat(hooked).as("hooks, seed %s", SEED).isEqualTo(told(Told.COMMITTED));
    // Cut as they were, all were found out.
    assertThat(told(Told.UNKNOWN)).isEmpty();
    assertThat(told(Told.COMMITTED)).hasSizeGreaterThan(cuts / 2);
    List<Long> done = numbers("SELECT operation FROM done ORDER BY 1");
    assertThat(done).as("doubled, seed %s", SEED).doesNotHaveDuplicates();
    assertThat(new HashSet<>(done))
        .as("lost or false, seed %s", SEED)
        .isEqualTo(told(Told.COMMITTED));
    for (int id = 0; id < COUNTERS; id++) {
      assertThat(numbers("SELECT n FROM counter WHERE id = " + id))
          .as("counter %s, seed %s", id, SEED)
          .containsExactly(expected.get(id));
    }
  }

  @Test
  void withoutTheOption_aCutCommitIsUnknownAndNothingElseIsFalse() throws Exception {
    int cuts = FULL ? 1_000 : 150;
    storm(TxOptions.builder().path("storm").retry(TxOptions.Retry.none()).build(), cuts);

    assertThat(hooked).as("hooks, seed %s", SEED).isEqualTo(told(Told.COMMITTED));
    Set<Long> done = new HashSet<>(numbers("SELECT operation FROM done"));
    assertThat(told(Told.UNKNOWN)).as("seed %s", SEED).isNotEmpty();
    assertThat(done).as("seed %s", SEED).containsAll(told(Told.COMMITTED));
    assertThat(done).as("seed %s", SEED).doesNotContainAnyElementsOf(told(Told.NOT_COMMITTED));
    // Both kinds of cut are told as the same, since they look the same from here.
    assertThat(told(Told.UNKNOWN)).anyMatch(done::contains).anyMatch(each -> !done.contains(each));
  }

  private void storm(TxOptions options, int cuts) throws Exception {
    System.out.println("CommitOutcomeStormTest -Dpgbelay.seed=" + SEED);
    long start = System.nanoTime();
    ExecutorService threads = Executors.newFixedThreadPool(THREADS);
    List<HikariDataSource> pools = new ArrayList<>();
    try (FaultProxy proxy = FaultProxy.inFrontOf(database.cluster().primary())) {
      proxy.cutCommitsAtRandom(SEED, 0.2, 0.2);
      List<Future<?>> workers = new ArrayList<>();
      for (int worker = 0; worker < THREADS; worker++) {
        // A pool opens one connection at a time, and opening them is what a storm waits for.
        HikariDataSource pool = Pools.pool(proxy.jdbcUrl(database.name()), 2);
        pools.add(pool);
        Transactions transactions = Transactions.of(pool);
        RandomGenerator random =
            RandomGeneratorFactory.of("L64X128MixRandom").create(SEED + worker);
        workers.add(
            threads.submit(
                () -> {
                  while (cut(proxy) < cuts) {
                    if (random.nextInt(10) == 0) {
                      proxy.cutAfterBytes(
                          random.nextBoolean() ? Direction.TO_SERVER : Direction.TO_CLIENT,
                          random.nextInt(3_000));
                    }
                    operate(transactions, options, random.nextInt(COUNTERS));
                  }
                }));
      }
      for (Future<?> worker : workers) {
        worker.get();
      }
      FaultProxy.Counters counters = proxy.counters();
      System.out.printf(
          "%d cuts before COMMIT, %d after, %d elsewhere; %d operations, %s; %d ms%n",
          counters.cutsBeforeCommit(),
          counters.cutsAfterCommit(),
          counters.cutsAtByte(),
          operations.get(),
          summary(),
          (System.nanoTime() - start) / 1_000_000);
      assertThat(counters.cutsBeforeCommit()).isGreaterThan(cuts / 5);
      assertThat(counters.cutsAfterCommit()).isGreaterThan(cuts / 5);
      assertThat(counters.cutsAtByte()).isGreaterThan(cuts / 50);
    } finally {
      threads.shutdownNow();
      pools.forEach(HikariDataSource::close);
    }
  }

  private String summary() {
    StringBuilder text = new StringBuilder();
    told.forEach((each, ids) -> text.append(each).append(' ').append(ids.size()).append(' '));
    return text.toString().strip();
  }

  private static long cut(FaultProxy proxy) {
    FaultProxy.Counters counters = proxy.counters();
    return counters.cutsBeforeCommit() + counters.cutsAfterCommit() + counters.cutsAtByte();
  }

  private void operate(Transactions transactions, TxOptions options, int counter) {
    long operation = operations.incrementAndGet();
    Told outcome;
    try {
      transactions.execute(
          options,
          tx -> {
            tx.dsl().execute("update counter set n = n + 1 where id = ?", counter);
            tx.dsl().execute("insert into done values (?)", operation);
            tx.afterCommit(commit -> hooked.add(operation));
          });
      outcome = Told.COMMITTED;
      expected.incrementAndGet(counter);
    } catch (RuntimeException e) {
      FailureKind kind = Failures.classify(e);
      if (!EXPECTED_KINDS.contains(kind)) {
        throw new AssertionError("kind " + kind + ", seed " + SEED, e);
      }
      outcome = kind == FailureKind.OUTCOME_UNKNOWN ? Told.UNKNOWN : Told.NOT_COMMITTED;
    }
    told(outcome).add(operation);
  }
}

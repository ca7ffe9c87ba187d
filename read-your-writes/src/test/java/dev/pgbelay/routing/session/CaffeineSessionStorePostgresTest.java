package dev.pgbelay.routing.session;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.core.CommitPosition;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.routing.ConsistencyToken;
import dev.pgbelay.routing.ReadYourWrites;
import dev.pgbelay.routing.Session;
import dev.pgbelay.routing.pool.NodePools;
import dev.pgbelay.testing.PostgresCluster;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.sql.Connection;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

class CaffeineSessionStorePostgresTest {
  private static final Duration HOUR = Duration.ofHours(1);
  private static PostgresCluster cluster;
  private static NodePools pools;
  private static ReadYourWrites db;

  private final AtomicLong now = new AtomicLong();

  @BeforeAll
  static void start() throws Exception {
    cluster = PostgresCluster.builder().replicas(1).start();
    try (Connection connection = cluster.primary().connect();
        Statement statement = connection.createStatement()) {
      statement.execute("CREATE TABLE profile (name text NOT NULL)");
      statement.execute("INSERT INTO profile VALUES ('old')");
    }
    cluster.replica().awaitCaughtUp();
    pools =
        NodePools.builder()
            .node("a", url(cluster.primary().address().getPort()))
            .node("b", url(cluster.replica().address().getPort()))
            .credentials("postgres", "postgres")
            .build();
    db =
        pools
            .routing()
            .probeInterval(Duration.ofMillis(20))
            .maxWait(Duration.ofMillis(20))
            .maxLag(1L << 40, HOUR)
            .start();
  }

  private static String url(int port) {
    return "jdbc:postgresql://127.0.0.1:" + port + "/postgres";
  }

  @AfterAll
  static void stop() {
    db.close();
    pools.close();
    cluster.close();
  }

  @AfterEach
  void resume() {
    cluster.replica().resumeReplay();
  }

  private CaffeineSessionStore store(long size) {
    return CaffeineSessionStore.builder(db)
        .maximumSize(size)
        .timeToLive(HOUR)
        .ticker(now::get)
        .build();
  }

  private static ConsistencyToken at(long lsn) {
    long id = db.nodes().get(0).position().orElseThrow().systemIdentifier();
    return ConsistencyToken.of(new CommitPosition(id, 1, (1L << 40) + lsn));
  }

  private static long lsn(Optional<ConsistencyToken> token) {
    return token.orElseThrow().position().lsn() - (1L << 40);
  }

  private static String seen(Session session) {
    return db.read(session, tx -> String.valueOf(tx.dsl().fetchValue("SELECT name FROM profile")));
  }

  private static void write(Session session, String name) {
    db.write(session, tx -> tx.dsl().execute("UPDATE profile SET name = ?", name));
  }

  @Test
  void raise_neverGoesBack() {
    CaffeineSessionStore store = store(10);

    store.raise("ann", at(5));
    store.raise("ann", at(3));

    assertThat(store.find("ann")).contains(at(5));
    store.raise("ann", at(7));
    assertThat(store.find("ann")).contains(at(7));
  }

  @Test
  void ownersWhoseEntriesMadeRoom_areNotShownThePast() {
    long seed = Long.getLong("pgbelay.seed", System.nanoTime());
    System.out.println("-Dpgbelay.seed=" + seed);
    Random random = new Random(seed);
    CaffeineSessionStore store = store(10);
    Map<String, Long> raised = new HashMap<>();

    for (int i = 0; i < 3_000; i++) {
      String owner = "owner " + random.nextInt(100);
      long position = random.nextInt(100_000);
      store.raise(owner, at(position));
      raised.merge(owner, position, Math::max);
      store.makeRoomNow();
      String any = "owner " + random.nextInt(100);
      for (String asked : List.of(owner, any)) {
        if (raised.containsKey(asked)) {
          assertThat(lsn(store.find(asked))).as(asked).isGreaterThanOrEqualTo(raised.get(asked));
        }
      }
    }
    assertThat(store.size()).isLessThanOrEqualTo(10);
  }

  @Test
  void ownerWhoComesBackAfterMakingRoom_withAnOlderToken_isNotShownThePast() {
    CaffeineSessionStore store = store(1);
    store.raise("ann", at(50));
    for (int i = 0; i < 20; i++) {
      store.raise("other " + i, at(10));
      store.makeRoomNow();
    }

    store.raise("ann", at(20));

    assertThat(lsn(store.find("ann"))).isGreaterThanOrEqualTo(50);
  }

  @Test
  void raisesAtOnce_neverGoBack_whileEntriesMakeRoom() throws Exception {
    CaffeineSessionStore store = store(4);
    ExecutorService threads = Executors.newFixedThreadPool(8);
    AtomicLong clock = new AtomicLong();
    try {
      List<Future<?>> runs = new ArrayList<>();
      for (int thread = 0; thread < 8; thread++) {
        String owner = "owner " + thread % 4;
        String crowd = "crowd " + thread;
        runs.add(
            threads.submit(
                () -> {
                  for (int i = 0; i < 4_000; i++) {
                    long before = lsn(store.find(owner));
                    long own = clock.incrementAndGet();
                    store.raise(owner, at(own));
                    store.raise(crowd + i % 16, at(1));
                    assertThat(lsn(store.find(owner)))
                        .isGreaterThanOrEqualTo(Math.max(before, own));
                  }
                }));
      }
      for (Future<?> run : runs) {
        run.get();
      }
    } finally {
      threads.shutdownNow();
    }
  }

  @Test
  void timeOfATokenIsOver_andNothingIsLeftOfIt() {
    CaffeineSessionStore store = store(1);
    store.raise("ann", at(5));
    store.raise("bob", at(6));
    store.makeRoomNow();
    now.addAndGet(HOUR.toNanos() - 1);
    assertThat(lsn(store.find("ann"))).isGreaterThanOrEqualTo(5);
    assertThat(lsn(store.find("bob"))).isGreaterThanOrEqualTo(6);

    now.addAndGet(1);

    assertThat(store.find("ann")).isEmpty();
    assertThat(store.find("bob")).isEmpty();
  }

  @Test
  void afterARestart_nobodyIsShownThePast() {
    cluster.replica().pauseReplay();
    write(db.session(), "before the restart");

    StoredSessions sessions = StoredSessions.of(db, store(10));

    assertThat(sessions.<String, RuntimeException>call("ann", session -> seen(session)))
        .isEqualTo("before the restart");
  }

  @Test
  void session_goesOnWhereItsOwnersLastOneEnded_alsoWhenItsWorkFailed() {
    StoredSessions sessions = StoredSessions.of(db, store(10));
    cluster.replica().awaitCaughtUp();
    cluster.replica().pauseReplay();

    assertThatThrownBy(
            () ->
                sessions.call(
                    "ann",
                    session -> {
                      write(session, "of ann");
                      throw new IllegalArgumentException("afterwards");
                    }))
        .isInstanceOf(IllegalArgumentException.class);

    assertThat(sessions.<String, RuntimeException>call("ann", session -> seen(session)))
        .isEqualTo("of ann");
    assertThat(sessions.<String, RuntimeException>call("bob", session -> seen(session)))
        .isNotEqualTo("of ann");
  }

  @Test
  void storeThatFails_losesNoReadAndHidesNoFailure() {
    SimpleMeterRegistry registry = new SimpleMeterRegistry();
    SessionStore broken =
        new SessionStore() {
          @Override
          public Optional<ConsistencyToken> find(String owner) {
            throw new IllegalStateException("no find");
          }

          @Override
          public void raise(String owner, ConsistencyToken token) {
            throw new IllegalStateException("no raise");
          }
        };
    StoredSessions sessions = StoredSessions.of(db, broken, registry);
    cluster.replica().pauseReplay();
    write(db.session(), "unseen");

    assertThatThrownBy(
            () -> sessions.call("ann", session -> assertThat(seen(session)).isEqualTo("unseen")))
        .isInstanceOf(IllegalStateException.class)
        .hasMessage("no raise");
    IllegalArgumentException failure = new IllegalArgumentException("of the work");
    assertThatThrownBy(
            () ->
                sessions.call(
                    "ann",
                    session -> {
                      write(session, "again");
                      throw failure;
                    }))
        .isSameAs(failure)
        .satisfies(e -> assertThat(e.getSuppressed()).hasSize(1));
    assertThat(count(registry, "find")).isEqualTo(2);
    assertThat(count(registry, "raise")).isEqualTo(2);
  }

  private static double count(SimpleMeterRegistry registry, String operation) {
    return registry
        .get("pgbelay.routing.store.failed")
        .tag("operation", operation)
        .counter()
        .count();
  }

  @Test
  void optionsOutOfRange_areRefusedByName() {
    assertThatThrownBy(() -> CaffeineSessionStore.builder(db).maximumSize(0).build())
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("maximumSize must be");
    assertThatThrownBy(() -> CaffeineSessionStore.builder(db).timeToLive(Duration.ZERO).build())
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("timeToLive must be");
  }
}

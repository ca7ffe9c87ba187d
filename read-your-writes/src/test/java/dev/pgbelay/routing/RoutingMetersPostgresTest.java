package dev.pgbelay.routing;

import static dev.pgbelay.routing.ReadYourWritesPostgresTest.name;
import static dev.pgbelay.routing.ReadYourWritesPostgresTest.rename;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Each metric of the guide, by its name and tags. */
class RoutingMetersPostgresTest {
  private static final Duration LONG = Duration.ofSeconds(30);

  /** Those of the common pool may be one alone, which another one holds. */
  private static final Executor THREADS = task -> new Thread(task, "beside the test").start();

  private static Cluster cluster;

  private final SimpleMeterRegistry registry = new SimpleMeterRegistry();

  @BeforeAll
  static void start() {
    cluster = new Cluster(1);
  }

  @AfterAll
  static void stop() {
    cluster.close();
  }

  @AfterEach
  void endTest() {
    cluster.replica(1).resumeReplay();
    cluster.endTest();
  }

  private ReadYourWrites open(Duration maxWait) {
    return cluster.open(
        builder ->
            builder
                .maxWait(maxWait)
                .maxLag(1L << 40, Duration.ofHours(1))
                .primaryReads(1)
                .meterRegistry(registry));
  }

  private double routed(String node, RouteDecision.Reason reason) {
    return registry
        .get("pgbelay.routing.routed")
        .tag("node", node)
        .tag("reason", reason.name())
        .counter()
        .count();
  }

  private double gauge(String name, String node) {
    Gauge gauge = registry.get("pgbelay.routing." + name).tag("node", node).gauge();
    return gauge.value();
  }

  @Test
  void routedReadsAndWrites_areCountedByNodeAndReason() {
    ReadYourWrites db = open(Duration.ofMillis(10));
    cluster.replica(1).awaitCaughtUp();

    for (int i = 0; i < 3; i++) {
      String ignored = db.read(db.session(), tx -> name(tx, 1));
    }
    cluster.replica(1).pauseReplay();
    Session session = db.session();
    db.write(session, tx -> rename(tx, 1, "counted"));
    String ignored = db.read(session, tx -> name(tx, 1));

    assertThat(routed("replica1", RouteDecision.Reason.CAUGHT_UP)).isEqualTo(3);
    assertThat(routed("primary", RouteDecision.Reason.PRIMARY_DECLARED)).isEqualTo(1);
    assertThat(routed("primary", RouteDecision.Reason.PRIMARY_NONE_CAUGHT_UP)).isEqualTo(1);
    assertThat(registry.get("pgbelay.routing.waited").timer().count()).isEqualTo(1);
    assertThat(registry.get("pgbelay.routing.waited").timer().totalTime(TimeUnit.MILLISECONDS))
        .isGreaterThanOrEqualTo(10);
    assertThat(registry.get("pgbelay.routing.lost").counter().count()).isZero();
    assertThat(registry.get("pgbelay.routing.full").counter().count()).isZero();
  }

  @Test
  void nodes_showTheirLag_theirAge_andWhoWaits() throws Exception {
    ReadYourWrites db = open(LONG);
    cluster.replica(1).pauseReplay();
    Session session = db.session();
    db.write(session, tx -> rename(tx, 2, "waited for"));

    await().atMost(LONG).until(() -> gauge("lag.bytes", "replica1") > 0);
    assertThat(gauge("lag.bytes", "primary")).isZero();
    assertThat(gauge("sight.age", "replica1")).isBetween(0.0, 20.0);
    assertThat(gauge("sight.age", "primary")).isBetween(0.0, 20.0);
    CompletableFuture<String> read =
        CompletableFuture.supplyAsync(() -> db.read(session, tx -> name(tx, 2)), THREADS);
    await().atMost(LONG).until(() -> gauge("waiters", "replica1") == 1);
    cluster.replica(1).resumeReplay();

    assertThat(read.get()).isEqualTo("waited for");
    assertThat(routed("replica1", RouteDecision.Reason.AFTER_WAIT)).isEqualTo(1);
    assertThat(gauge("waiters", "replica1")).isZero();
    await().atMost(LONG).until(() -> gauge("lag.bytes", "replica1") == 0);
    for (String node : new String[] {"primary", "replica1"}) {
      assertThat(
              registry.getMeters().stream()
                  .map(meter -> meter.getId())
                  .filter(id -> id.getName().startsWith("pgbelay.background."))
                  .anyMatch(id -> id.getTags().toString().contains("routing-" + node)))
          .as(node)
          .isTrue();
    }
  }

  @Test
  void readsThatFindThePrimaryFull_areCounted() throws Exception {
    ReadYourWrites db = open(Duration.ZERO);
    cluster.replica(1).pauseReplay();
    Session session = db.session();
    db.write(session, tx -> rename(tx, 3, "full"));
    CountDownLatch begun = new CountDownLatch(1);
    CountDownLatch end = new CountDownLatch(1);
    CompletableFuture<String> first =
        CompletableFuture.supplyAsync(
            () ->
                db.<String, RuntimeException>read(
                    session, ReadOptions.defaults(), tx -> held(begun, end, name(tx, 3))),
            THREADS);
    assertThat(begun.await(20, TimeUnit.SECONDS)).isTrue();

    assertThatThrownBy(() -> db.read(session, tx -> name(tx, 3)))
        .isInstanceOfSatisfying(
            RoutingException.class,
            e -> assertThat(e.kind()).isEqualTo(RoutingException.Kind.PRIMARY_FULL));
    end.countDown();

    assertThat(first.get()).isEqualTo("full");
    assertThat(registry.get("pgbelay.routing.full").counter().count()).isEqualTo(1);
  }

  private static String held(CountDownLatch begun, CountDownLatch end, String result) {
    begun.countDown();
    try {
      assertThat(end.await(20, TimeUnit.SECONDS)).isTrue();
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
    return result;
  }

  @Test
  void positionsThatMayBeLost_areCounted() {
    try (Cluster own = new Cluster(1)) {
      ReadYourWrites db =
          own.open(
              builder ->
                  builder
                      .maxAge(Duration.ofSeconds(10))
                      .failoverWait(LONG)
                      .meterRegistry(registry));
      Session session = db.session();
      db.write(session, tx -> rename(tx, 1, "kept"));
      own.replica(1).awaitCaughtUp();
      own.primary().crash();
      own.replica(1).promote();
      FailoverTest.awaitPrimary(db, "replica1");
      db.write(db.session(), tx -> rename(tx, 3, "after"));

      String ignored = db.read(session, tx -> name(tx, 1));

      assertThat(registry.get("pgbelay.routing.lost").counter().count()).isEqualTo(1);
    }
  }
}

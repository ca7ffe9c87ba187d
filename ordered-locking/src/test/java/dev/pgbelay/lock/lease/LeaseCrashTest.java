package dev.pgbelay.lock.lease;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.testing.FakeTime;
import dev.pgbelay.testing.FaultProxy;
import dev.pgbelay.testing.PgBouncer;
import dev.pgbelay.testing.PostgresCluster;
import dev.pgbelay.testing.PostgresExtension;
import java.io.BufferedReader;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.awaitility.Awaitility;
import org.jooq.DSLContext;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Holders that are stopped, servers that crash or are replaced, clocks that are wrong. */
class LeaseCrashTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(LeaseFixture.SCHEMA);

  private static HikariDataSource ownKeepAlive;

  @BeforeAll
  static void openKeepAlive() {
    ownKeepAlive = LeaseHolderProcess.pool(postgres.jdbcUrl(), 4);
  }

  @AfterAll
  static void closeKeepAlive() {
    ownKeepAlive.close();
  }

  private final DSLContext dsl = LeaseFixture.dsl(postgres.dataSource());
  private final Transactions transactions = Transactions.of(postgres.dataSource());
  private final String name = LeaseFixture.freshName();

  private LeaseLock successor() {
    return LeaseLock.builder(transactions, ownKeepAlive)
        .name("successor")
        .holder("successor")
        .duration(Duration.ofSeconds(20))
        .pollInterval(Duration.ofMillis(20))
        .build();
  }

  @Test
  void holderStoppedPastExpiry_writesNothingWhenItResumes() throws Exception {
    int rounds = LeaseFixture.FULL ? 10 : 1;
    int late = 0;
    for (int i = 0; i < rounds; i++) {
      late += stopAndResume(name + "-" + i, true, 100);
      assertThat(staleWrites(name + "-" + i)).isZero();
    }
    System.out.println(late + " late writes tried, 0 accepted");
    assertThat(late).isGreaterThanOrEqualTo(LeaseFixture.FULL ? 500 : 100);
  }

  /** The same without the guard. */
  @Test
  void holderStoppedPastExpiry_withoutTheGuardMixesItsWritesWithTheSuccessors() throws Exception {
    stopAndResume(name, false, 20);
    assertThat(staleWrites(name)).isPositive();
  }

  /** Stops the process, lets another one have the lease and write, and resumes it. */
  private int stopAndResume(String lease, boolean guarded, int wanted) throws Exception {
    Process holder = LeaseHolderProcess.start(postgres.jdbcUrl(), lease, guarded, wanted, Map.of());
    try (LeaseLock successor = successor()) {
      await(() -> writes(lease, "process") >= 20);
      signal(holder, "-STOP");
      Lease taken = takeFrom(successor, lease);
      int before = writes(lease, "process");
      for (int i = 0; i < 20; i++) {
        transactions.execute(
            tx -> {
              taken.guard(tx);
              write(tx.dsl(), taken);
            });
      }
      assertThat(writes(lease, "process")).as("while it is stopped").isEqualTo(before);
      signal(holder, "-CONT");
      Optional<String> last = lines(holder).filter(line -> line.startsWith("late ")).findFirst();
      assertThat(holder.waitFor(120, TimeUnit.SECONDS)).isTrue();
      transactions.execute(taken::guard); // still the successor's
      taken.release();
      return Integer.parseInt(last.orElseThrow().substring("late ".length()));
    } finally {
      holder.destroyForcibly();
    }
  }

  /** From a process that is stopped, perhaps in the middle of a guarded transaction. */
  private Lease takeFrom(LeaseLock successor, String lease) throws InterruptedException {
    return successor.acquire(lease, Duration.ofSeconds(90));
  }

  private static Stream<String> lines(Process process) {
    return new BufferedReader(process.inputReader(StandardCharsets.UTF_8)).lines();
  }

  private static void signal(Process process, String signal) throws Exception {
    Process kill = new ProcessBuilder("kill", signal, Long.toString(process.pid())).start();
    assertThat(kill.waitFor()).isZero();
  }

  private static void write(DSLContext dsl, Lease lease) {
    dsl.execute(
        "insert into write (name, writer, token) values (?, 'successor', ?)",
        lease.name(),
        lease.fencingToken());
  }

  private int writes(String lease, String writer) {
    return Integer.parseInt(
        String.valueOf(
            dsl.fetchValue(
                "select count(*) from write where name = ? and writer = ?", lease, writer)));
  }

  /** Writes that came after one of a later holder. */
  private int staleWrites(String lease) {
    return Integer.parseInt(
        String.valueOf(
            dsl.fetchValue(
                "select count(*) from (select token, max(token) over (order by n) as highest"
                    + " from write where name = ?) w where token < highest",
                lease)));
  }

  private interface Check {
    boolean holds() throws Exception;
  }

  private static void await(Check check) {
    Awaitility.await()
        .atMost(Duration.ofSeconds(60))
        .pollInterval(Duration.ofMillis(20))
        .ignoreExceptions()
        .until(check::holds);
  }

  @ParameterizedTest
  @ValueSource(strings = {"PT-1H", "PT1H"})
  void jvmWhoseClockIsAnHourOff_holdsAndLosesLikeAnyOther(Duration offset) throws Exception {
    Process holder =
        LeaseHolderProcess.start(
            postgres.jdbcUrl(), name, true, 20, FakeTime.find().environment(offset));
    try (LeaseLock successor = successor()) {
      await(() -> writes(name, "process") >= 20);
      Instant granted = successor.find(name).orElseThrow().renewedAt().orElseThrow();
      // Renewed again and again, each time for as long as by any other clock.
      await(
          () -> {
            LeaseInfo info = successor.find(name).orElseThrow();
            return info.renewedAt().orElseThrow().isAfter(granted.plusSeconds(6))
                && info.remaining().orElseThrow().compareTo(LeaseHolderProcess.LEASE) <= 0;
          });
      signal(holder, "-STOP");
      Lease taken = takeFrom(successor, name);
      transactions.execute(
          tx -> {
            taken.guard(tx);
            write(tx.dsl(), taken);
          });
      signal(holder, "-CONT");
      List<String> said = lines(holder).toList();
      long clock =
          said.stream()
              .filter(line -> line.startsWith("clock "))
              .mapToLong(line -> Long.parseLong(line.substring("clock ".length())))
              .findFirst()
              .orElseThrow();
      assertThat(Math.abs(clock - System.currentTimeMillis() / 1000))
          .as("the process really had another clock")
          .isBetween(3_400L, 3_800L);
      assertThat(said)
          .anyMatch(
              line ->
                  line.startsWith("late ")
                      && Integer.parseInt(line.substring("late ".length())) >= 20);
      assertThat(staleWrites(name)).isZero();
      taken.release();
    } finally {
      holder.destroyForcibly();
    }
  }

  @Test
  void serverCrash_doesNotEndALeaseThatIsKeptAlive() {
    try (PostgresCluster cluster = PostgresCluster.builder().start();
        HikariDataSource work = LeaseHolderProcess.pool(cluster.primary().jdbcUrl(), 3);
        HikariDataSource keepAlive = LeaseHolderProcess.pool(cluster.primary().jdbcUrl(), 1)) {
      initialize(work);
      Transactions own = Transactions.of(work);
      try (LeaseLock leases =
          LeaseLock.builder(own, keepAlive).duration(Duration.ofSeconds(30)).build()) {
        Lease lease = leases.tryAcquire(name).orElseThrow();
        cluster.primary().crash();
        cluster.primary().restart();
        await(
            () -> {
              own.execute(lease::guard);
              return true;
            });
        lease.renew();
        assertThat(LeaseLock.builder(own, keepAlive).build().tryAcquire(name)).isEmpty();
        assertThat(lease.release()).isEqualTo(Lease.ReleaseOutcome.RELEASED);
      }
    }
  }

  @Test
  void failOverThatLostTheGrant_isNoticedAndTheNextTokenIsHigher() {
    try (PostgresCluster cluster =
            PostgresCluster.builder().replicas(1).replicasThroughProxy().start();
        HikariDataSource work = LeaseHolderProcess.pool(bothNodes(cluster), 3);
        HikariDataSource keepAlive = LeaseHolderProcess.pool(bothNodes(cluster), 1)) {
      initialize(work);
      Transactions own = Transactions.of(work);
      try (LeaseLock leases =
          LeaseLock.builder(own, keepAlive).duration(Duration.ofSeconds(30)).build()) {
        leases.tryAcquire(name).orElseThrow().release();
        cluster.replica().awaitCaughtUp();
        FaultProxy stream = cluster.replica().upstreamProxy().orElseThrow();
        stream.refuseConnections();
        stream.dropConnections();
        Lease lost = leases.tryAcquire(name).orElseThrow();
        for (int i = 0; i < 4; i++) {
          lost.release();
          lost = leases.tryAcquire(name).orElseThrow();
        }
        Lease granted = lost;
        cluster.primary().crash();
        cluster.replica().promote();
        await(() -> leases.find(name).isPresent());
        assertThatThrownBy(() -> own.execute(granted::guard))
            .isInstanceOf(LeaseLostException.class);
        Lease next = leases.tryAcquire(name).orElseThrow();
        assertThat(next.fencingToken()).isGreaterThan(granted.fencingToken());
        assertThat(next.fencingToken() >> 40).as("timeline").isEqualTo(2);
        next.release();
      }
    }
  }

  private static String bothNodes(PostgresCluster cluster) {
    String first = hostAndPort(cluster.primary().jdbcUrl());
    String second = hostAndPort(cluster.replica().jdbcUrl());
    return cluster.primary().jdbcUrl().replace(first, first + "," + second)
        + "&targetServerType=primary";
  }

  private static String hostAndPort(String url) {
    String behind = url.substring(url.indexOf("//") + 2);
    return behind.substring(0, behind.indexOf('/'));
  }

  private static void initialize(HikariDataSource pool) {
    try {
      LeaseFixture.SCHEMA.initialize(pool);
    } catch (Exception e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void throughPgBouncerInTransactionMode_leasesWork() throws Exception {
    try (PgBouncer bouncer = PgBouncer.inFrontOf(postgres.database().cluster().primary(), 2)) {
      String url = bouncer.jdbcUrl(postgres.database().name()) + "&prepareThreshold=0";
      try (HikariDataSource work = LeaseHolderProcess.pool(url, 6);
          HikariDataSource keepAlive = LeaseHolderProcess.pool(url, 1)) {
        Transactions own = Transactions.of(work);
        try (LeaseLock leases =
                LeaseLock.builder(own, keepAlive).duration(Duration.ofSeconds(15)).build();
            LeaseLock others = successor()) {
          Lease lease = leases.tryAcquire(name).orElseThrow();
          Instant granted = leases.find(name).orElseThrow().renewedAt().orElseThrow();
          await(
              () -> {
                own.execute(lease::guard);
                assertThat(others.tryAcquire(name)).isEmpty();
                return leases.find(name).orElseThrow().renewedAt().orElseThrow().isAfter(granted);
              });
          assertThat(lease.release()).isEqualTo(Lease.ReleaseOutcome.RELEASED);
        }
      }
    }
  }
}

package dev.pgbelay.outbox;

import static org.assertj.core.api.Assertions.assertThat;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.outbox.RelayProcess.Script;
import dev.pgbelay.testing.FaultProxy;
import dev.pgbelay.testing.PostgresExtension;
import java.sql.Connection;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.jooq.Record;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Hazards 7, 8 and 20: relay processes that are killed at each boundary of a message's way, and
 * told to stop in full flight. A successor delivers the rest; how many messages come twice is known
 * to each of the tests.
 */
@Timeout(120)
class RelayCrashPointsTest {
  private static final int KEYS = 8;
  private static final int MESSAGES = 120;
  private static final AtomicInteger NODES = new AtomicInteger();

  @RegisterExtension
  @Order(1)
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(RelayFixture.SCHEMA);

  @RegisterExtension
  @Order(2)
  static final RelayFixture.Relays relays = new RelayFixture.Relays(postgres);

  private final RelayFixture fixture = new RelayFixture(postgres, relays);
  private final String node = "crash-" + NODES.incrementAndGet();
  private final List<Process> processes = new ArrayList<>();

  @BeforeEach
  void install() {
    RelayProcess.install(fixture.dsl);
    fixture.dsl.execute("truncate delivered, gate");
    fixture.appendMany(MESSAGES, KEYS);
  }

  @AfterEach
  void end() throws Exception {
    for (Process process : processes) {
      process.destroyForcibly().waitFor();
    }
  }

  private Process begin(Script script) throws Exception {
    Process process = RelayProcess.start(postgres.jdbcUrl(), node, fixture.destination, script);
    processes.add(process);
    return process;
  }

  private static void kill(Process process) throws Exception {
    RelayProcess.signal(process, "-KILL");
    assertThat(process.waitFor(1, TimeUnit.MINUTES)).isTrue();
  }

  private void awaitHalted(Process process) throws Exception {
    assertThat(process.waitFor(1, TimeUnit.MINUTES)).isTrue();
    assertThat(process.exitValue()).isEqualTo(1);
  }

  /** The lease of the process is over, for all others. */
  private void successor() {
    fixture.dsl.execute(
        "update pgbelay.outbox_relay set expires_at = now() - interval '1 s' where node = ?", node);
    secondRelay();
  }

  private void secondRelay() {
    fixture.start(
        Destination.of(fixture.destination, new RelayProcess.ToTable(pool(), "successor")));
  }

  private javax.sql.DataSource pool() {
    return postgres.dataSource();
  }

  private int delivered() {
    return fixture.count("select count(*) from delivered");
  }

  private void openGate() {
    fixture.dsl.execute("insert into gate (node) values (?)", node);
  }

  private int waitingFor(String statement) {
    return fixture.count(
        "select count(*) from pg_stat_activity where application_name = ?"
            + " and wait_event_type = 'Lock' and query like ?",
        node,
        "%" + statement + "%");
  }

  /** The process is in its first call, and has registered. */
  private void awaitRegistered() {
    RelayFixture.await(
        () ->
            fixture.count(
                    "select count(*) from pgbelay.outbox_lane as l"
                        + " join pgbelay.outbox_relay as r on r.claimant = l.claimant"
                        + " where r.node = ?",
                    node)
                == KeyPlace.LANES);
  }

  /**
   * Everything arrives, first deliveries of each key are in order, and a repeat has another claim.
   *
   * @param repeats so many messages come twice
   */
  private void assertAllArriveWith(int repeats) {
    assertAllArriveWith(MESSAGES, repeats);
  }

  private void assertAllArriveWith(int messages, int repeats) {
    RelayFixture.await(fixture::isEmpty);
    Map<String, Integer> next = new HashMap<>();
    Map<String, Set<String>> claims = new HashMap<>();
    int again = 0;
    for (Record row :
        fixture.dsl.fetch(
            "select claim, message_id, key, payload::int from delivered order by place")) {
      String id = row.get(1, String.class);
      Set<String> of = claims.computeIfAbsent(id, first -> new HashSet<>());
      if (of.isEmpty()) {
        int number = row.get(3, Integer.class);
        assertThat(number)
            .as("of key %s", row.get(2))
            .isEqualTo(next.merge(row.get(2, String.class), 1, Integer::sum) - 1);
      } else {
        again++;
      }
      assertThat(of.add(row.get(0, String.class))).as("%s under one claim", id).isTrue();
    }
    assertThat(claims).hasSize(messages);
    assertThat(again).as("repeats").isEqualTo(repeats);
    assertThat(fixture.dead()).isZero();
  }

  @Test
  void processThatDiesAfterItsLook_repeatsNothing() throws Exception {
    awaitHalted(begin(Script.HALT_AFTER_LOOK));
    assertThat(delivered()).isZero();
    successor();
    assertAllArriveWith(0);
  }

  @Test
  void processThatDiesWithinPublish_repeatsWhatItHadDelivered() throws Exception {
    awaitHalted(begin(Script.HALT_WITHIN_PUBLISH));
    int before = delivered();
    assertThat(before).isPositive();
    successor();
    assertAllArriveWith(before);
  }

  /**
   * Killed while its acknowledgement waits in the server, and so does its transaction; or the
   * server goes on and commits what a process has sent that is dead. Either is right, and the
   * successor sees which it was.
   */
  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void processThatDiesWithinItsAcknowledgement_repeatsIfThatIsNotCommitted(boolean committed)
      throws Exception {
    Process process = begin(Script.ONE_CALL_BEHIND_THE_GATE);
    awaitRegistered();
    int before;
    try (Connection holder = pool().getConnection();
        Statement statement = holder.createStatement()) {
      holder.setAutoCommit(false);
      statement.execute("select from pgbelay.outbox_relay where node = '" + node + "' for update");
      openGate();
      RelayFixture.await(() -> waitingFor("outbox_message") == 1);
      before = delivered();
      assertThat(before).isEqualTo(RelayProcess.BATCH);
      kill(process);
      if (!committed) {
        fixture.dsl.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = ?",
            node);
        RelayFixture.await(() -> waitingFor("outbox_message") == 0);
      }
      holder.rollback();
    }
    RelayFixture.await(() -> fixture.messages() == MESSAGES - (committed ? before : 0));
    successor();
    assertAllArriveWith(committed ? 0 : before);
  }

  /** The transaction that holds the key ends with the process: nothing of it is there. */
  @Test
  void processThatDiesWhileItHoldsKeys_leavesThemAsTheyWere() throws Exception {
    Process process = begin(Script.ONE_FAILURE_BEHIND_THE_GATE);
    awaitRegistered();
    try (Connection blocker = pool().getConnection();
        Statement statement = blocker.createStatement()) {
      blocker.setAutoCommit(false);
      statement.execute("lock table pgbelay.outbox_held_key in share mode");
      openGate();
      RelayFixture.await(() -> waitingFor("outbox_held_key") == 1);
      kill(process);
      blocker.rollback();
    }
    RelayFixture.await(
        () ->
            fixture.count("select count(*) from pg_stat_activity where application_name = ?", node)
                == 0);
    assertThat(fixture.held() + fixture.heldKeys()).isZero();
    assertThat(fixture.messages()).isEqualTo(MESSAGES);
    successor();
    assertAllArriveWith(0);
  }

  /** A second relay has come, and the first one is about to give it half of its lanes. */
  @Test
  void processThatDiesWhileItGivesLanesBack_losesAllOfThemAfterItsLease() throws Exception {
    Process process = begin(Script.ON_AND_ON);
    awaitRegistered();
    try (Connection blocker = pool().getConnection();
        Statement statement = blocker.createStatement()) {
      blocker.setAutoCommit(false);
      statement.execute(
          "select from pgbelay.outbox_lane where destination = "
              + fixture.number
              + " order by lane limit 1 for update");
      secondRelay();
      RelayFixture.await(() -> waitingFor("outbox_lane") == 1);
      kill(process);
      blocker.rollback();
    }
    fixture.dsl.execute(
        "update pgbelay.outbox_relay set expires_at = now() - interval '1 s' where node = ?", node);
    for (int i = 0; i < KEYS; i++) {
      fixture.append("k" + i, Integer.toString(MESSAGES / KEYS));
    }
    RelayFixture.await(
        () ->
            fixture.count(
                    "select count(*) from pgbelay.outbox_lane as l"
                        + " join pgbelay.outbox_relay as r on r.claimant = l.claimant"
                        + " where l.destination = ? and r.node <> ?",
                    fixture.number,
                    node)
                == KeyPlace.LANES);
    RelayFixture.await(fixture::isEmpty);
    // What was delivered and not acknowledged when it died.
    int repeats = delivered() - MESSAGES - KEYS;
    assertThat(repeats).isLessThanOrEqualTo(MESSAGES);
    assertAllArriveWith(MESSAGES + KEYS, repeats);
  }

  /** Hazard 20: full memory, calls under way, acknowledgements to be written, and told twice. */
  @Test
  void processThatIsToldToStopTwiceInFullFlight_leavesNothingHalfDone() throws Exception {
    Process process = begin(Script.ON_AND_ON);
    RelayFixture.await(() -> delivered() > 0);
    RelayProcess.signal(process, "-TERM");
    RelayProcess.signal(process, "-TERM");
    assertThat(process.waitFor(1, TimeUnit.MINUTES)).isTrue();
    assertThat(process.exitValue()).as("ended by the signal").isEqualTo(143);
    assertThat(
            fixture.count(
                "select count(*) from pgbelay.outbox_message as m where m.destination = ?"
                    + " and exists (select from delivered as d where d.message_id = m.message_id)",
                fixture.number))
        .as("delivered and not acknowledged")
        .isZero();
    assertThat(
            fixture.count(
                "select count(*) from pgbelay.outbox_lane"
                    + " where destination = ? and claimant is not null",
                fixture.number))
        .as("lanes kept")
        .isZero();
    assertThat(fixture.count("select count(*) from pgbelay.outbox_relay where node = ?", node))
        .isZero();
    assertThat(fixture.messages()).as("left for others").isPositive();
    successor();
    assertAllArriveWith(0);
  }

  /** Hazard 8: of every acknowledgement, look and heartbeat the COMMIT may be lost, either way. */
  @Test
  void relayWhoseCommitsAreCut_writesThemAgainAndDeliversNothingTwice() throws Exception {
    long seed = Long.getLong("pgbelay.seed", System.nanoTime());
    System.out.println("relay whose commits are cut: -Dpgbelay.seed=" + seed);
    try (FaultProxy proxy = FaultProxy.inFrontOf(postgres.database().cluster().primary());
        HikariDataSource cut = RelayFixture.pool(proxy.jdbcUrl(postgres.database().name()), 6)) {
      OutboxRelay relay =
          fixture
              .relay(
                  Transactions.of(cut),
                  Destination.of(
                      fixture.destination, new RelayProcess.ToTable(pool(), "successor")))
              .build();
      relay.start();
      try {
        RelayFixture.await(() -> delivered() == MESSAGES);
        proxy.cutCommitsAtRandom(seed, 0.2, 0.2);
        for (int i = 0; i < 15; i++) {
          int more = i;
          fixture.append("more" + i, "0");
          RelayFixture.await(() -> delivered() > MESSAGES + more);
        }
        // Whatever was cut by then, nothing more is in its way.
        proxy.cutCommitsAtRandom(seed, 0, 0);
        assertThat(proxy.counters().cutsBeforeCommit() + proxy.counters().cutsAfterCommit())
            .isPositive();
        assertAllArriveWith(MESSAGES + 15, 0);
      } finally {
        proxy.heal();
        assertThat(relay.stop(Duration.ofSeconds(10)).isClean()).isTrue();
      }
    }
  }
}

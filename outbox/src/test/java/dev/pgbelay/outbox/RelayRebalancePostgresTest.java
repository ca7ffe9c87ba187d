package dev.pgbelay.outbox;

import static org.assertj.core.api.Assertions.assertThat;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.testing.FaultProxy;
import dev.pgbelay.testing.PostgresExtension;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** A lane that passes to another relay while a call of the publisher has messages of it. */
class RelayRebalancePostgresTest {
  private static final int ROUNDS = "full".equals(System.getProperty("pgbelay.scale")) ? 200 : 10;

  @RegisterExtension
  @Order(1)
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(RelayFixture.SCHEMA);

  @RegisterExtension
  @Order(2)
  static final RelayFixture.Relays relays = new RelayFixture.Relays(postgres);

  private final RelayFixture fixture = new RelayFixture(postgres, relays);

  private static String keyOfTheFirstLane() {
    for (int i = 0; ; i++) {
      if (KeyPlace.lane("key" + i) == 0) {
        return "key" + i;
      }
    }
  }

  /** How many lanes are with another relay than the first one. */
  private int passed(String firstClaimant) {
    return fixture.count(
        "select count(*) from pgbelay.outbox_lane where destination = ?"
            + " and claimant <> cast(? as uuid)",
        fixture.number,
        firstClaimant);
  }

  private String claimantOfTheFirstLane() {
    return String.valueOf(
        fixture.dsl.fetchValue(
            "select claimant from pgbelay.outbox_lane where destination = ? and lane = 0",
            fixture.number));
  }

  @Test
  void keyInFlight_staysUntilItsCallHasEnded_andGoesOnInOrder() {
    String key = keyOfTheFirstLane();
    for (int i = 0; i < 10; i++) {
      fixture.append(key, "m" + i);
    }
    CountDownLatch begun = new CountDownLatch(1);
    CountDownLatch goOn = new CountDownLatch(1);
    Collected first =
        new Collected()
            .answering(
                message -> {
                  begun.countDown();
                  assertThat(goOn.await(60, TimeUnit.SECONDS)).isTrue();
                  return Delivery.delivered();
                });
    Collected second = new Collected();
    fixture.start(Destination.of(fixture.destination, first));
    RelayFixture.await(() -> begun.getCount() == 0);
    String claimant = claimantOfTheFirstLane();
    fixture.start(
        fixture
            .relay(Destination.of(fixture.destination, second))
            .pollInterval(Duration.ofMillis(20)));
    RelayFixture.await(() -> passed(claimant) == 15);
    assertThat(claimantOfTheFirstLane()).isEqualTo(claimant);
    assertThat(second.count()).isZero();
    goOn.countDown();
    RelayFixture.await(fixture::isEmpty);
    assertThat(first.texts(key)).containsExactly("m0");
    assertThat(second.texts(key))
        .containsExactly("m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "m9");
    assertThat(passed(claimant)).isEqualTo(16);
  }

  /** A relay that has its share looks for no more, and others respect what is in its name. */
  @Test
  void laneThatItsRelayDoesNotKnowOf_isGivenBack() {
    fixture.start(Destination.of(fixture.destination, new Collected()));
    RelayFixture.await(() -> !claimantOfTheFirstLane().equals("null"));
    String claimant = claimantOfTheFirstLane();
    fixture.start(Destination.of(fixture.destination, new Collected()));
    RelayFixture.await(() -> passed(claimant) == 16);
    fixture.dsl.execute(
        "update pgbelay.outbox_lane set claimant = cast(? as uuid), claim_number = 1"
            + " where destination = ? and lane = (select max(lane) from pgbelay.outbox_lane"
            + " where destination = ? and claimant <> cast(? as uuid))",
        claimant,
        fixture.number,
        fixture.number,
        claimant);
    appendToEachLane();
    RelayFixture.await(fixture::isEmpty);
  }

  /** The relays come and go, and often do not hear whether they have got what they asked for. */
  @Test
  void lanesTakenAndReleasedWhereAnswersAreLost_areDeliveredByOneRelayEach() throws Exception {
    long seed = Long.getLong("pgbelay.seed", System.nanoTime());
    System.out.println("lanes whose answers are lost: -Dpgbelay.seed=" + seed);
    Random random = new Random(seed);
    try (FaultProxy proxy = FaultProxy.inFrontOf(postgres.database().cluster().primary());
        HikariDataSource cut = RelayFixture.pool(proxy.jdbcUrl(postgres.database().name()), 4)) {
      Transactions lossy =
          Transactions.of(
              new RelayCutsPostgresTest.OfOneLoop(postgres.dataSource(), "-lanes", cut));
      Deque<OutboxRelay> running = new ArrayDeque<>();
      for (int round = 0; round < ROUNDS; round++) {
        proxy.cutCommitsAtRandom(seed + round, 0, 0.3);
        for (int i = random.nextInt(3); i >= 0; i--) {
          running.add(
              fixture.start(
                  fixture
                      .relay(lossy, Destination.of(fixture.destination, new Collected()))
                      .lease(Duration.ofSeconds(3))));
        }
        long cuts = proxy.counters().cutsAfterCommit();
        RelayFixture.await(() -> proxy.counters().cutsAfterCommit() > cuts);
        proxy.heal();
        while (running.size() > 3) {
          running.remove().stop(Duration.ofSeconds(10));
        }
        appendToEachLane();
        RelayFixture.await(fixture::isEmpty);
      }
      running.forEach(relay -> relay.stop(Duration.ofSeconds(10))); // before their pool
    }
  }

  private void appendToEachLane() {
    fixture.dsl.execute(
        "insert into pgbelay.outbox_message (destination, lane, message_id, topic, key, payload)"
            + " select ?, n, gen_random_uuid(), 't', 'k' || n, convert_to('x', 'UTF8')"
            + " from generate_series(0, 31) as n",
        fixture.number);
  }
}

package dev.pgbelay.outbox;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.outbox.RelayProcess.Script;
import dev.pgbelay.testing.FakeTime;
import dev.pgbelay.testing.PostgresExtension;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/**
 * Hazard 13: what is due, whose lane is free and which day it is are asked of the server. Clocks of
 * processes may be wrong; when the server's is set, what is written seems older or younger.
 */
@Timeout(120)
class RelayClockTest {
  private static final int KEYS = 8;

  @RegisterExtension
  @Order(1)
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(RelayFixture.SCHEMA);

  @RegisterExtension
  @Order(2)
  static final RelayFixture.Relays relays = new RelayFixture.Relays(postgres);

  private final RelayFixture fixture = new RelayFixture(postgres, relays);
  private final Collected collected = new Collected(5);
  private final SimpleMeterRegistry registry = new SimpleMeterRegistry();

  private static Process begin(
      FakeTime fakeTime, String node, RelayFixture fixture, Duration offset) throws Exception {
    return RelayProcess.start(
        postgres.jdbcUrl(),
        node,
        fixture.destination,
        Script.SECOND_ATTEMPT,
        fakeTime.environment(offset));
  }

  private long clockOf(String node) {
    RelayFixture.await(() -> fixture.count("select count(*) from clock where node = ?", node) == 1);
    return Long.parseLong(
        String.valueOf(fixture.dsl.fetchValue("select millis from clock where node = ?", node)));
  }

  private int lanesOf(String node) {
    return fixture.count(
        "select count(*) from pgbelay.outbox_lane as l join pgbelay.outbox_relay as r"
            + " on r.claimant = l.claimant where l.destination = ? and r.node = ?",
        fixture.number,
        node);
  }

  private int alive(String node) {
    return fixture.count(
        "select count(*) from pgbelay.outbox_relay where node = ? and expires_at"
            + " between clock_timestamp() and clock_timestamp() + ? * interval '1 s'",
        node,
        RelayProcess.LEASE.toSeconds() + 2);
  }

  @Test
  void processesWhoseClocksAreAnHourOff_keepLeasesPausesAndDaysOfTheServer() throws Exception {
    FakeTime fakeTime = FakeTime.find();
    RelayProcess.install(fixture.dsl);
    fixture.appendMany(200, KEYS);
    Process fast = begin(fakeTime, "fast", fixture, Duration.ofHours(1));
    Process slow = begin(fakeTime, "slow", fixture, Duration.ofHours(-1));
    try {
      long now = System.currentTimeMillis();
      assertThat(clockOf("fast") - now).as("a clock of its own").isGreaterThan(3_000_000);
      assertThat(clockOf("slow") - now).as("a clock of its own").isLessThan(-3_000_000);
      RelayFixture.await(() -> lanesOf("fast") == 16 && lanesOf("slow") == 16);
      RelayFixture.await(() -> alive("fast") == 1 && alive("slow") == 1);
      RelayFixture.await(fixture::isEmpty);
      assertThat(fixture.count("select count(distinct message_id) from delivered")).isEqualTo(200);
      assertThat(
              fixture.count(
                  "select count(*) from (select payload::int, row_number()"
                      + " over (partition by key order by place) - 1 as expected"
                      + " from delivered) as d where payload <> expected"))
          .as("out of order")
          .isZero();
      assertThat(
              fixture.count(
                  "select count(*) from pgbelay.outbox_published where destination = ?"
                      + " and published_at between clock_timestamp() - interval '10 min'"
                      + " and clock_timestamp()"
                      + " and published_day = floor(extract(epoch from published_at) / 86400)",
                  fixture.number))
          .as("kept as of the server's day")
          .isEqualTo(200);

      RelayProcess.signal(fast, "-KILL");
      fixture.dsl.execute(
          "update pgbelay.outbox_relay set expires_at = clock_timestamp() where node = 'fast'");
      RelayFixture.await(() -> lanesOf("slow") == KeyPlace.LANES);
      fixture.append("k0", "25");
      RelayFixture.await(fixture::isEmpty);
    } finally {
      fast.destroyForcibly().waitFor();
      slow.destroyForcibly().waitFor();
    }
  }

  private void start(AtomicBoolean failing) {
    Duration pause = Duration.ofMinutes(30);
    fixture.start(
        fixture
            .relay(
                Destination.of(
                        fixture.destination,
                        collected.answering(
                            message ->
                                failing.get() && Collected.text(message).equals("poison")
                                    ? Delivery.failed("not yet")
                                    : Delivery.delivered()))
                    .withRetries(10, RetryPauses.exponential(pause, pause)))
            .lease(Duration.ofSeconds(3))
            .meterRegistry(registry));
  }

  /** As if the server's clock had been set by so much: what is written has other ages. */
  private void serversClockGoesBy(String interval) {
    fixture.dsl.execute(
        "update pgbelay.outbox_relay set expires_at = expires_at - interval '" + interval + "'");
    fixture.dsl.execute(
        "update pgbelay.outbox_held_key set next_at = next_at - interval '" + interval + "'");
    fixture.dsl.execute(
        "update pgbelay.outbox_message set appended_at = appended_at - interval '"
            + interval
            + "'");
  }

  @Test
  void serversClockThatIsPutAhead_endsPausesAndLosesNothing() {
    AtomicBoolean failing = new AtomicBoolean(true);
    fixture.append("held", "poison");
    fixture.append("held", "behind");
    start(failing);
    RelayFixture.await(() -> fixture.heldKeys() == 1 && fixture.held() == 2);
    fixture.appendMany(300, KEYS);
    failing.set(false);
    serversClockGoesBy("1 hour");
    fixture.appendMany(300, KEYS);
    RelayFixture.await(fixture::isEmpty);
    assertThat(collected.texts("held")).containsExactly("poison", "behind");
    assertThat(collected.all().stream().map(Message::sequence).distinct()).hasSize(602);
    collected
        .firsts(Message::sequence)
        .forEach((key, ids) -> assertThat(ids).as("first deliveries of %s", key).isSorted());
  }

  /** Pauses are longer by that time, and so is the lease of a relay that has died meanwhile. */
  @Test
  void serversClockThatIsPutBack_prolongsPausesAndLeasesOfTheDeadOnly() {
    AtomicBoolean failing = new AtomicBoolean(true);
    fixture.append("held", "poison");
    start(failing);
    RelayFixture.await(() -> fixture.heldKeys() == 1);
    fixture.dsl.execute(
        "insert into pgbelay.outbox_relay (claimant, node, expires_at, destinations)"
            + " values (gen_random_uuid(), 'dead', now(), array[?])",
        fixture.number);
    failing.set(false);
    serversClockGoesBy("-1 hour");
    fixture.appendMany(300, KEYS);
    RelayFixture.await(() -> fixture.messages() == 0);
    assertThat(collected.count()).isEqualTo(300);
    collected.assertOrdered();
    assertThat(registry.get("pgbelay.outbox.relay.lost").counter().count()).isZero();
    RelayFixture.await(
        () ->
            fixture.count(
                    "select count(*) from pgbelay.outbox_relay where ? = any (destinations)"
                        + " and node <> 'dead' and expires_at < clock_timestamp() + interval '4 s'",
                    fixture.number)
                == 1);
    assertThat(fixture.heldKeys()).as("waits for an hour and a half").isEqualTo(1);
    // What an operator does who does not want to wait.
    assertThat(
            fixture.dsl.execute(
                "update pgbelay.outbox_held_key set next_at = clock_timestamp()"
                    + " where destination = ?",
                fixture.number))
        .isEqualTo(1);
    assertThat(fixture.dsl.execute("delete from pgbelay.outbox_relay where node = 'dead'"))
        .isEqualTo(1);
    RelayFixture.await(fixture::isEmpty);
  }
}

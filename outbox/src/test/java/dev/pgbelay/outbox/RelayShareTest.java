package dev.pgbelay.outbox;

import static org.assertj.core.api.Assertions.assertThat;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.testing.PostgresExtension;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.time.Duration;
import java.util.HashSet;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Several relays: who has which lane, and what one may still do that was given up. */
class RelayShareTest {
  @RegisterExtension
  @Order(1)
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(RelayFixture.SCHEMA);

  @RegisterExtension
  @Order(2)
  static final RelayFixture.Relays relays = new RelayFixture.Relays(postgres);

  private final RelayFixture fixture = new RelayFixture(postgres, relays);

  private int lanesOfOwners() {
    return fixture.count(
        "select count(distinct claimant) from pgbelay.outbox_lane where destination = ?",
        fixture.number);
  }

  private int most() {
    return fixture.count(
        "select max(n) from (select count(claimant) as n from pgbelay.outbox_lane"
            + " where destination = ? group by claimant) as c",
        fixture.number);
  }

  private int free() {
    return fixture.count(
        "select count(*) from pgbelay.outbox_lane where destination = ? and claimant is null",
        fixture.number);
  }

  /** Hazard 16: lanes move while messages are on their way, and no key is with two at once. */
  @Test
  void relaysThatComeAndGo_shareTheLanesAndKeepTheOrder() {
    Collected collected =
        new Collected(3)
            .answering(
                message -> {
                  Thread.sleep(1);
                  return Delivery.delivered();
                });
    fixture.appendMany(3_000, 60);
    Destination to = Destination.of(fixture.destination, collected).withConcurrency(2);
    final OutboxRelay first = fixture.start(to);
    RelayFixture.await(() -> collected.count() > 100);
    OutboxRelay second = fixture.start(to);
    RelayFixture.await(() -> lanesOfOwners() == 2 && most() == 16 && free() == 0);
    OutboxRelay third = fixture.start(to);
    RelayFixture.await(() -> lanesOfOwners() == 3 && most() == 11 && free() == 0);
    assertThat(second.stop(Duration.ofSeconds(60)).isClean()).isTrue();
    RelayFixture.await(() -> lanesOfOwners() == 2 && most() == 16 && free() == 0);
    assertThat(third.stop(Duration.ofSeconds(60)).isClean()).isTrue();
    RelayFixture.await(() -> lanesOfOwners() == 1 && most() == 32);
    RelayFixture.await(fixture::isEmpty);
    assertThat(first.stop(Duration.ofSeconds(60)).isClean()).isTrue();
    assertThat(
            fixture.count(
                "select count(*) from pgbelay.outbox_lane where destination = ?"
                    + " and claimant is not null",
                fixture.number))
        .isZero();
    assertThat(collected.count()).as("nothing was delivered twice").isEqualTo(3_000);
    collected.assertOrdered();
  }

  /** Hazard 4: what a relay does that was given up changes nothing, and it begins anew. */
  @Test
  void relayThatWasGivenUp_acknowledgesNothingAndBeginsAnew() {
    SimpleMeterRegistry registry = new SimpleMeterRegistry();
    AtomicInteger calls = new AtomicInteger();
    CountDownLatch stuck = new CountDownLatch(1);
    CountDownLatch goOn = new CountDownLatch(1);
    Collected late =
        new Collected()
            .answering(
                message -> {
                  if (calls.incrementAndGet() == 1) {
                    stuck.countDown();
                    goOn.await();
                  }
                  return Delivery.delivered();
                });
    fixture.append("k", "1");
    fixture.append("k", "2");
    OutboxRelay first =
        fixture.start(
            fixture
                .relay(Destination.of(fixture.destination, late).withConcurrency(1))
                .meterRegistry(registry));
    RelayFixture.await(() -> stuck.getCount() == 0);
    // As if it had been stopped past its lease, and another had looked.
    fixture.dsl.execute(
        "delete from pgbelay.outbox_relay where ? = any (destinations)", fixture.number);
    Collected prompt = new Collected();
    OutboxRelay second = fixture.start(Destination.of(fixture.destination, prompt));
    RelayFixture.await(() -> prompt.count() >= 1);
    RelayFixture.await(fixture::isEmpty);
    goOn.countDown();
    RelayFixture.await(
        () ->
            registry
                    .get("pgbelay.outbox.relay.lost")
                    .tag("destination", fixture.destination)
                    .counter()
                    .count()
                >= 1);
    RelayFixture.await(
        () ->
            registry
                    .get("pgbelay.outbox.stale")
                    .tag("destination", fixture.destination)
                    .counter()
                    .count()
                >= 1);
    assertThat(late.all().get(0).claim()).isNotEqualTo(prompt.all().get(0).claim());
    RelayFixture.await(() -> lanesOfOwners() == 2 && free() == 0);
    RelayFixture.await(fixture::isEmpty);
    assertThat(first.stop(Duration.ofSeconds(30)).isClean()).isTrue();
    assertThat(second.stop(Duration.ofSeconds(30)).isClean()).isTrue();
  }

  /** Hazard 7: a relay that vanishes between delivery and acknowledgement loses nothing. */
  @Test
  @SuppressWarnings("try") // closed early, which is what kills it
  void lanesOfARelayThatDied_areTakenOver() throws Exception {
    String url = postgres.jdbcUrl() + "&ApplicationName=dying";
    try (HikariDataSource own = RelayFixture.pool(url, 4);
        HikariDataSource beats = RelayFixture.pool(url, 2)) {
      AtomicBoolean dead = new AtomicBoolean();
      Collected doomed = new Collected(5);
      OutboxRelay dying =
          OutboxRelay.builder(Transactions.of(own), beats)
              .name("dying-" + fixture.destination)
              .lease(Duration.ofSeconds(1))
              .pollInterval(Duration.ofMillis(20))
              .deliver(
                  Destination.of(
                      fixture.destination,
                      doomed.answering(
                          message -> {
                            if (message.sequence() % 10 == 3 && !dead.getAndSet(true)) {
                              // Its connections are gone from here on: nothing is written any more.
                              own.close();
                              beats.close();
                            }
                            return Delivery.delivered();
                          })))
              .build();
      fixture.appendMany(500, 25);
      dying.start();
      RelayFixture.await(dead::get);
      Collected heir = new Collected(5);
      fixture.start(Destination.of(fixture.destination, heir));
      RelayFixture.await(fixture::isEmpty);
      Set<String> all = new HashSet<>();
      all.addAll(doomed.all().stream().map(Message::messageId).collect(Collectors.toSet()));
      all.addAll(heir.all().stream().map(Message::messageId).collect(Collectors.toSet()));
      assertThat(all).hasSize(500);
      doomed.assertOrdered();
      heir.assertOrdered();
      // It cannot write any more; whoever does not want to wait for that interrupts.
      Thread.currentThread().interrupt();
      OutboxRelay.StopReport report = dying.stop(Duration.ZERO);
      assertThat(Thread.interrupted()).as("still interrupted").isTrue();
      assertThat(report.unwritten()).isNotNegative();
    } finally {
      // A pool that is closed while others take connections from it may forget one.
      postgres.database().cluster().primary().terminate("dying");
    }
  }

  /** Hazard 20: what is on its way ends and is written, what waits stays where it is. */
  @Test
  void gracefulStop_leavesNothingHalfDone() {
    fixture.appendMany(2_000, 50);
    CountDownLatch first = new CountDownLatch(8);
    CountDownLatch goOn = new CountDownLatch(1);
    Collected collected =
        new Collected(1)
            .answering(
                message -> {
                  first.countDown();
                  goOn.await();
                  return Delivery.delivered();
                });
    OutboxRelay relay =
        fixture.start(Destination.of(fixture.destination, collected).withConcurrency(8));
    RelayFixture.await(() -> first.getCount() == 0);
    Thread stopping =
        new Thread(() -> assertThat(relay.stop(Duration.ofSeconds(60)).isClean()).isTrue());
    stopping.start();
    goOn.countDown();
    RelayFixture.await(() -> !stopping.isAlive());
    assertThat(fixture.messages()).isEqualTo(2_000 - collected.count());
    assertThat(free()).isEqualTo(32);
    assertThat(
            fixture.count(
                "select count(*) from pgbelay.outbox_relay where ? = any (destinations)",
                fixture.number))
        .isZero();
    Collected rest = new Collected(20);
    fixture.start(Destination.of(fixture.destination, rest));
    RelayFixture.await(fixture::isEmpty);
    assertThat(rest.count() + collected.count()).isEqualTo(2_000);
  }

  /** Hazard 20: a publisher that does not end is interrupted, and none of its attempts count. */
  @Test
  void stopWithoutTime_interruptsAndCountsNoAttempt() {
    fixture.append("k", "1");
    CountDownLatch begun = new CountDownLatch(1);
    Collected collected =
        new Collected()
            .answering(
                message -> {
                  begun.countDown();
                  new CountDownLatch(1).await();
                  return Delivery.delivered();
                });
    OutboxRelay relay = fixture.start(Destination.of(fixture.destination, collected));
    RelayFixture.await(() -> begun.getCount() == 0);
    assertThat(relay.stop(Duration.ofMillis(50)).isClean()).isTrue();
    assertThat(fixture.messages()).isEqualTo(1);
    assertThat(fixture.heldKeys()).isZero();
    Collected next = new Collected();
    fixture.start(Destination.of(fixture.destination, next));
    RelayFixture.await(fixture::isEmpty);
    assertThat(next.all()).extracting(Message::attempt).containsExactly(1);
  }

  @Test
  void publisherThatIgnoresItsInterrupt_isReported() {
    fixture.append("k", "1");
    CountDownLatch begun = new CountDownLatch(1);
    AtomicBoolean end = new AtomicBoolean();
    Collected collected =
        new Collected()
            .answering(
                message -> {
                  begun.countDown();
                  while (!end.get()) {
                    Thread.onSpinWait();
                  }
                  return Delivery.delivered();
                });
    OutboxRelay relay = fixture.start(Destination.of(fixture.destination, collected));
    RelayFixture.await(() -> begun.getCount() == 0);
    OutboxRelay.StopReport report = relay.stop(Duration.ofMillis(10));
    end.set(true);
    assertThat(report.stillDelivering()).isEqualTo(1);
    assertThat(report.isClean()).isFalse();
    assertThat(fixture.messages()).isEqualTo(1);
  }

  /** Hazard 10: sessions are killed, and nothing needs a restart. */
  @Test
  void killedSessions_costNothingButTime() {
    fixture.appendMany(4_000, 40);
    AtomicInteger count = new AtomicInteger();
    Collected collected =
        new Collected(5)
            .answering(
                message -> {
                  if (count.incrementAndGet() % 500 == 0) {
                    fixture.dsl.execute(
                        "select pg_terminate_backend(pid) from pg_stat_activity"
                            + " where datname = current_database() and pid <> pg_backend_pid()");
                  }
                  return Delivery.delivered();
                });
    fixture.start(Destination.of(fixture.destination, collected));
    RelayFixture.await(fixture::isEmpty);
    assertThat(collected.all().stream().map(Message::messageId).collect(Collectors.toSet()))
        .hasSize(4_000);
    collected.assertOrdered();
  }
}

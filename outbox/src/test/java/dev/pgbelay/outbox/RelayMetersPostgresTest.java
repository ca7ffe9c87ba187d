package dev.pgbelay.outbox;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.testing.PostgresExtension;
import io.micrometer.core.instrument.Meter;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Every meter of the guide has the value that the scene has. */
class RelayMetersPostgresTest {
  private static final RetryPauses SHORT =
      RetryPauses.exponential(Duration.ofMillis(10), Duration.ofMillis(20));
  private static final RetryPauses LONG =
      RetryPauses.exponential(Duration.ofHours(1), Duration.ofHours(1));

  @RegisterExtension
  @Order(1)
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(RelayFixture.SCHEMA);

  @RegisterExtension
  @Order(2)
  static final RelayFixture.Relays relays = new RelayFixture.Relays(postgres);

  private final RelayFixture fixture = new RelayFixture(postgres, relays);
  private final SimpleMeterRegistry registry = new SimpleMeterRegistry();
  private final Semaphore calls = new Semaphore(0);
  private final AtomicInteger called = new AtomicInteger();

  /** Each call waits until it may go on. */
  private MessagePublisher waiting(int batchSize) {
    return new MessagePublisher() {
      @Override
      public int batchSize() {
        return batchSize;
      }

      @Override
      public List<Delivery> publish(List<Message> messages) throws InterruptedException {
        called.incrementAndGet();
        calls.acquire();
        return messages.stream().map(one -> Delivery.delivered()).toList();
      }
    };
  }

  private double counter(String meter) {
    return registry
        .get("pgbelay.outbox." + meter)
        .tag("destination", fixture.destination)
        .counter()
        .count();
  }

  private double gauge(OutboxRelayBuilder relay, String meter) {
    return registry
        .get("pgbelay.outbox." + meter)
        .tag("destination", fixture.destination)
        .tag("relay", relay.name())
        .gauge()
        .value();
  }

  private OutboxRelayBuilder relay(Destination to) {
    return fixture.relay(to).meterRegistry(registry);
  }

  @Test
  void lanes_areThoseOfEachRelay() {
    OutboxRelayBuilder one = relay(Destination.of(fixture.destination, new Collected()));
    fixture.start(one);
    RelayFixture.await(() -> gauge(one, "lanes") == 32);
    OutboxRelayBuilder other = relay(Destination.of(fixture.destination, new Collected()));
    OutboxRelay second = fixture.start(other);
    RelayFixture.await(() -> gauge(one, "lanes") == 16 && gauge(other, "lanes") == 16);
    assertThat(second.stop(Duration.ofSeconds(10)).isClean()).isTrue();
    RelayFixture.await(() -> gauge(one, "lanes") == 32);
    assertThat(registry.find("pgbelay.outbox.lanes").tag("relay", other.name()).gauge())
        .as("gauges of a relay end with it")
        .isNull();
  }

  @Test
  void messagesAndCallsInThisProcess_areCountedWhileTheyAreThere() {
    for (int i = 0; i < 11; i++) {
      fixture.append(null, "x");
    }
    OutboxRelayBuilder relay =
        relay(Destination.of(fixture.destination, waiting(3)).withConcurrency(2));
    fixture.start(relay);
    RelayFixture.await(
        () -> called.get() == 2 && gauge(relay, "calls") == 2 && gauge(relay, "buffered") == 11);
    assertThat(registry.get("pgbelay.outbox.publish").timer().count()).isZero();
    calls.release(1_000);
    RelayFixture.await(
        () -> fixture.isEmpty() && gauge(relay, "calls") == 0 && gauge(relay, "buffered") == 0);
    RelayFixture.await(() -> counter("delivered") == 11);
    assertThat(registry.get("pgbelay.outbox.publish").timer().count()).isEqualTo(called.get());
    assertThat(registry.get("pgbelay.outbox.publish").timer().totalTime(TimeUnit.NANOSECONDS))
        .isPositive();
  }

  @Test
  void heldKeys_areThoseOfThisRelayUntilTheyFlow() {
    AtomicBoolean refusing = new AtomicBoolean(true);
    Collected collected =
        new Collected()
            .answering(
                message ->
                    refusing.get() && message.key().orElse("").startsWith("bad")
                        ? Delivery.failed("no")
                        : Delivery.delivered());
    for (int i = 0; i < 4; i++) {
      for (int key = 0; key < 3; key++) {
        fixture.append("bad" + key, "x");
        fixture.append("good" + key, "x");
      }
    }
    OutboxRelayBuilder relay =
        relay(Destination.of(fixture.destination, collected).withRetries(1_000, LONG));
    fixture.start(relay);
    RelayFixture.await(() -> fixture.held() == 12 && counter("delivered") == 12);
    RelayFixture.await(() -> gauge(relay, "held.keys") == 3 && gauge(relay, "buffered") == 0);
    assertThat(counter("failed")).isEqualTo(3);
    refusing.set(false);
    fixture.dsl.execute(
        "update pgbelay.outbox_held_key set next_at = clock_timestamp() where destination = ?",
        fixture.number);
    RelayFixture.await(fixture::isEmpty);
    RelayFixture.await(() -> gauge(relay, "held.keys") == 0 && counter("delivered") == 24);
    assertThat(counter("rejected") + counter("dead") + counter("parked")).isZero();
  }

  @Test
  void deadLetters_areCountedByMessage() {
    fixture.appendMany(30, 3);
    Collected collected =
        new Collected(4)
            .answering(
                message ->
                    switch (Collected.text(message)) {
                      case "2" -> Delivery.rejected("never");
                      case "5" -> Delivery.failed("not now");
                      default -> Delivery.delivered();
                    });
    fixture.start(
        relay(
            Destination.of(fixture.destination, collected)
                .withPoisonPolicy(PoisonPolicy.DEAD_LETTER)
                .withRetries(2, SHORT)));
    RelayFixture.await(() -> fixture.isEmpty() && fixture.dead() == 6);
    RelayFixture.await(() -> counter("delivered") == 24 && counter("dead") == 6);
    assertThat(counter("rejected")).isEqualTo(3);
    assertThat(counter("failed")).isEqualTo(6);
    assertThat(counter("parked")).isZero();
  }

  @Test
  void parkedKeys_areCountedEachTime() {
    fixture.appendMany(8, 2);
    AtomicInteger rounds = new AtomicInteger();
    Collected collected =
        new Collected()
            .answering(
                message ->
                    rounds.get() < 2 && Collected.text(message).equals("1")
                        ? Delivery.rejected("no")
                        : Delivery.delivered());
    fixture.start(
        relay(
            Destination.of(fixture.destination, collected)
                .withPoisonPolicy(PoisonPolicy.PARK_KEY)));
    for (int round = 1; round <= 2; round++) {
      RelayFixture.await(() -> fixture.parkedKeys() == 2 && fixture.held() == 6);
      int expected = 2 * round;
      RelayFixture.await(() -> counter("parked") == expected);
      rounds.incrementAndGet();
      fixture.dsl.execute(
          "update pgbelay.outbox_held_key set next_at = clock_timestamp(), attempts = 0"
              + " where destination = ?",
          fixture.number);
      if (round == 1) {
        RelayFixture.await(() -> counter("rejected") == 4);
      }
    }
    RelayFixture.await(fixture::isEmpty);
    RelayFixture.await(() -> counter("delivered") == 8);
    assertThat(counter("parked")).isEqualTo(4);
    assertThat(counter("dead")).isZero();
  }

  /** Both what was being delivered and what waited for it. */
  @Test
  void relayThatWasGivenUp_countsWhatItHadOnce() {
    for (int i = 0; i < 7; i++) {
      fixture.append(null, "x");
    }
    OutboxRelayBuilder relay =
        relay(Destination.of(fixture.destination, waiting(2)).withConcurrency(1));
    fixture.start(relay);
    RelayFixture.await(() -> called.get() == 1 && gauge(relay, "buffered") == 7);
    fixture.dsl.execute(
        "delete from pgbelay.outbox_relay where ? = any (destinations)", fixture.number);
    RelayFixture.await(() -> counter("relay.lost") == 1);
    RelayFixture.await(() -> counter("stale") == 7);
    calls.release(1_000);
    RelayFixture.await(fixture::isEmpty);
    RelayFixture.await(() -> counter("delivered") == 7);
    assertThat(counter("stale")).isEqualTo(7);
    assertThat(counter("relay.lost")).isEqualTo(1);
  }

  @Test
  void destinationThatIsDown_isPausedUntilOneArrives() {
    fixture.appendMany(40, 40);
    AtomicBoolean down = new AtomicBoolean(true);
    Collected collected =
        new Collected()
            .answering(message -> down.get() ? Delivery.failed("down") : Delivery.delivered());
    OutboxRelayBuilder relay =
        relay(
            Destination.of(fixture.destination, collected)
                .withConcurrency(1)
                .withMostFailingKeys(5)
                .withRetries(1_000, SHORT));
    fixture.start(relay);
    RelayFixture.await(() -> gauge(relay, "paused") == 1);
    down.set(false);
    RelayFixture.await(() -> gauge(relay, "paused") == 0);
    RelayFixture.await(fixture::isEmpty);
  }

  @Test
  void meters_areThoseOfTheGuideAndNoOthers() {
    OutboxRelayBuilder relay = relay(Destination.of(fixture.destination, new Collected()));
    fixture.start(relay);
    assertThat(
            registry.getMeters().stream()
                .map(Meter::getId)
                .map(Meter.Id::getName)
                .filter(name -> name.startsWith("pgbelay.outbox."))
                .map(name -> name.substring("pgbelay.outbox.".length())))
        .containsExactlyInAnyOrder(
            "delivered",
            "failed",
            "rejected",
            "dead",
            "parked",
            "stale",
            "relay.lost",
            "publish",
            "handed",
            "lanes",
            "buffered",
            "calls",
            "held.keys",
            "paused");
    assertThat(
            registry.getMeters().stream()
                .map(meter -> meter.getId().getTag("name"))
                .filter(name -> name != null && name.startsWith("outbox-" + relay.name()))
                .distinct()
                .map(name -> name.substring(("outbox-" + relay.name()).length())))
        .containsExactlyInAnyOrder(
            "-lanes", "-heartbeat", "-look-1", "-ack-1", "-hold-1", "-retain");
  }
}

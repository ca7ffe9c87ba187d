package dev.pgbelay.outbox;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.testing.PostgresExtension;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What becomes of messages that are not delivered, and of those behind them. */
class RelayFailurePostgresTest {
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
  private final AtomicBoolean poisoned = new AtomicBoolean(true);
  private final SimpleMeterRegistry registry = new SimpleMeterRegistry();

  private Delivery unlessPoison(Message message) {
    return poisoned.get() && Collected.text(message).equals("poison")
        ? Delivery.failed("not today")
        : Delivery.delivered();
  }

  private double counted(String meter) {
    return registry
        .get("pgbelay.outbox." + meter)
        .tag("destination", fixture.destination)
        .counter()
        .count();
  }

  private void start(Destination to) {
    fixture.start(fixture.relay(to).meterRegistry(registry));
  }

  @Test
  void failedMessage_isTriedAgainInFrontOfItsKey() {
    fixture.append("k", "0");
    fixture.append("k", "poison");
    for (int i = 1; i <= 20; i++) {
      fixture.append("k", Integer.toString(i));
      fixture.append("other" + i, "free");
    }
    AtomicInteger failures = new AtomicInteger();
    List<Integer> attempts = Collections.synchronizedList(new ArrayList<>());
    Collected collected =
        new Collected(5)
            .answering(
                message -> {
                  if (Collected.text(message).equals("poison")) {
                    attempts.add(message.attempt());
                    if (failures.incrementAndGet() <= 3) {
                      return Delivery.failed("not yet");
                    }
                  }
                  return Delivery.delivered();
                });
    start(Destination.of(fixture.destination, collected).withRetries(10, SHORT));
    RelayFixture.await(fixture::isEmpty);
    assertThat(attempts).containsExactly(1, 2, 3, 4);
    assertThat(collected.texts("k")).startsWith("0", "poison", "1", "2").hasSize(22);
    assertThat(collected.count()).isEqualTo(42);
    collected.assertOrdered();
    assertThat(counted("failed")).isEqualTo(3);
    RelayFixture.await(() -> counted("delivered") == 42);
    assertThat(fixture.dead()).isZero();
  }

  @Test
  void askedPause_isNotUndercut() {
    fixture.append("k", "poison");
    Collected collected =
        new Collected().answering(message -> Delivery.failed("later", Duration.ofHours(2)));
    start(Destination.of(fixture.destination, collected).withRetries(10, SHORT));
    RelayFixture.await(() -> fixture.heldKeys() == 1);
    assertThat(
            fixture.count(
                "select count(*) from pgbelay.outbox_held_key where destination = ?"
                    + " and next_at > now() + interval '100 minutes' and attempts = 1"
                    + " and reason = 'later'",
                fixture.number))
        .isEqualTo(1);
  }

  /** Hazard 17, block: the key waits, others flow, and in the end all of it is in order. */
  @Test
  void poisonHeadOfBlockedKey_isTriedForEverAndKeepsOthersFlowing() {
    fixture.append("k", "poison");
    for (int i = 0; i < 10; i++) {
      fixture.append("k", Integer.toString(i));
    }
    Collected collected = new Collected(4).answering(this::unlessPoison);
    start(
        Destination.of(fixture.destination, collected)
            .withPoisonPolicy(PoisonPolicy.BLOCK_KEY)
            .withRetries(2, SHORT));
    for (int i = 0; i < 20; i++) {
      fixture.append("free" + i, "x");
    }
    RelayFixture.await(() -> collected.count() == 20);
    RelayFixture.await(() -> counted("failed") >= 4);
    assertThat(collected.texts("k")).isEmpty();
    fixture.append("k", "10");
    poisoned.set(false);
    RelayFixture.await(fixture::isEmpty);
    assertThat(collected.texts("k"))
        .containsExactly("poison", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10");
  }

  /** Hazard 17, park: nothing of the key leaves until somebody resumes it, then all in order. */
  @Test
  void parkedKey_waitsForSomebodyAndResumesInOrder() {
    fixture.append("k", "poison");
    fixture.append("k", "1");
    Collected collected = new Collected(4).answering(this::unlessPoison);
    start(
        Destination.of(fixture.destination, collected)
            .withPoisonPolicy(PoisonPolicy.PARK_KEY)
            .withRetries(2, SHORT));
    RelayFixture.await(() -> fixture.parkedKeys() == 1);
    fixture.append("k", "2");
    fixture.append("k", "3");
    RelayFixture.await(() -> fixture.held() == 4);
    fixture.append("free", "x");
    RelayFixture.await(() -> collected.count() == 1);
    assertThat(counted("parked")).isEqualTo(1);
    assertThat(collected.texts("k")).isEmpty();
    poisoned.set(false);
    fixture.dsl.execute(
        "update pgbelay.outbox_held_key set next_at = clock_timestamp(), attempts = 0"
            + " where destination = ?",
        fixture.number);
    RelayFixture.await(fixture::isEmpty);
    assertThat(collected.texts("k")).containsExactly("poison", "1", "2", "3");
    fixture.append("k", "4");
    RelayFixture.await(() -> collected.texts("k").size() == 5);
  }

  /** Hazard 17, dead letter: the gap is filed, and the next ones go on in order. */
  @Test
  void poisonThatBecomesADeadLetter_letsItsKeyGoOn() {
    fixture.append("k", "0");
    long poison = fixture.append("k", "poison");
    for (int i = 1; i < 10; i++) {
      fixture.append("k", Integer.toString(i));
    }
    Collected collected = new Collected(4).answering(this::unlessPoison);
    start(
        Destination.of(fixture.destination, collected)
            .withPoisonPolicy(PoisonPolicy.DEAD_LETTER)
            .withRetries(3, SHORT));
    RelayFixture.await(() -> fixture.isEmpty() && fixture.dead() == 1);
    assertThat(collected.texts("k"))
        .containsExactly("0", "1", "2", "3", "4", "5", "6", "7", "8", "9");
    assertThat(
            fixture.count(
                "select count(*) from pgbelay.outbox_dead where destination = ? and id = ?"
                    + " and attempts = 3 and reason = 'not today' and key = 'k'",
                fixture.number,
                poison))
        .isEqualTo(1);
    assertThat(counted("dead")).isEqualTo(1);
  }

  @Test
  void rejectedMessage_meetsThePolicyAtOnce() {
    fixture.append("k", "poison");
    fixture.append("k", "1");
    fixture.append(null, "poison");
    AtomicInteger asked = new AtomicInteger();
    Collected collected =
        new Collected(4)
            .answering(
                message -> {
                  if (Collected.text(message).equals("poison")) {
                    asked.incrementAndGet();
                    return Delivery.rejected("no such account");
                  }
                  return Delivery.delivered();
                });
    start(
        Destination.of(fixture.destination, collected)
            .withPoisonPolicy(PoisonPolicy.DEAD_LETTER)
            .withRetries(100, LONG));
    RelayFixture.await(() -> fixture.isEmpty() && fixture.dead() == 2);
    assertThat(asked).hasValue(2);
    assertThat(collected.texts()).containsExactly("1");
    assertThat(counted("rejected")).isEqualTo(2);
  }

  @Test
  void publisherThatThrows_failsEachMessageAndIsCalledAgain() {
    fixture.append("a", "1");
    fixture.append("b", "1");
    fixture.append(null, "1");
    AtomicInteger calls = new AtomicInteger();
    Collected collected =
        new Collected(10)
            .answering(
                message -> {
                  if (calls.incrementAndGet() == 1) {
                    throw new IllegalStateException("down");
                  }
                  return Delivery.delivered();
                });
    start(Destination.of(fixture.destination, collected).withRetries(5, SHORT));
    RelayFixture.await(fixture::isEmpty);
    assertThat(collected.count()).isEqualTo(3);
    assertThat(collected.all()).extracting(Message::attempt).contains(2);
  }

  /** Not one message more is moved than the option says, whatever the backlog. */
  @Test
  void destinationThatIsDown_isPausedAndProbed() {
    fixture.appendMany(5_000, 500);
    AtomicBoolean down = new AtomicBoolean(true);
    Set<String> asked = ConcurrentHashMap.newKeySet();
    Collected collected =
        new Collected(1)
            .answering(
                message -> {
                  asked.add(message.key().orElseThrow());
                  return down.get() ? Delivery.failed("down") : Delivery.delivered();
                });
    start(
        Destination.of(fixture.destination, collected)
            .withConcurrency(2)
            .withMostFailingKeys(20)
            .withRetries(
                1_000, RetryPauses.exponential(Duration.ofMillis(200), Duration.ofHours(1))));
    RelayFixture.await(
        () ->
            registry
                    .get("pgbelay.outbox.paused")
                    .tag("destination", fixture.destination)
                    .gauge()
                    .value()
                == 1);
    // Two more probes, each of which fails: then it is known that nothing else was begun.
    int before = asked.size();
    RelayFixture.await(() -> asked.size() >= Math.min(before + 2, 24) || counted("failed") > 24);
    assertThat(fixture.heldKeys()).isLessThanOrEqualTo(60);
    down.set(false);
    RelayFixture.await(fixture::isEmpty);
    assertThat(collected.count()).isEqualTo(5_000);
    collected.assertOrdered();
  }

  @Test
  void largePayloadOfAHeldKey_isDeliveredToo() {
    String large = "y".repeat(100_000);
    fixture.append("k", "poison");
    fixture.append("k", large);
    fixture.append("k", "2");
    Collected collected = new Collected(4).answering(this::unlessPoison);
    start(
        Destination.of(fixture.destination, collected)
            .withPoisonPolicy(PoisonPolicy.DEAD_LETTER)
            .withRetries(2, SHORT));
    RelayFixture.await(fixture::isEmpty);
    assertThat(collected.texts("k")).containsExactly(large, "2");
  }
}

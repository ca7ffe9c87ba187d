package dev.pgbelay.outbox;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.testing.PostgresExtension;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.sql.Connection;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Keys that were held and whose pause is over, while relays stop and start. */
class RelayHeldKeysPostgresTest {
  @RegisterExtension
  @Order(1)
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(RelayFixture.SCHEMA);

  @RegisterExtension
  @Order(2)
  static final RelayFixture.Relays relays = new RelayFixture.Relays(postgres);

  private final RelayFixture fixture = new RelayFixture(postgres, relays);

  /** As a relay does once the first one of each key was delivered after all. */
  private void holdAllUntilNow() {
    fixture.dsl.execute(
        "with gone as (delete from pgbelay.outbox_message where destination = ? returning *)"
            + " insert into pgbelay.outbox_held (id, appended_at, destination, lane, replay,"
            + " message_id, topic, key, hold_key, payload)"
            + " select id, appended_at, destination, lane, replay, message_id, topic, key,"
            + " 'k:' || key, payload from gone",
        fixture.number);
    fixture.dsl.execute(
        "insert into pgbelay.outbox_held_key (destination, lane, hold_key, attempts, next_at, reason)"
            + " select distinct destination, lane, hold_key, 0, now(), ''"
            + " from pgbelay.outbox_held where destination = ?",
        fixture.number);
  }

  /** One thread, two keys by turns: it stands still in one while the other has some delivered. */
  @Test
  void stopWhileAHeldKeyIsHalfDelivered_repeatsNothing() throws Exception {
    for (int i = 0; i < 10; i++) {
      fixture.append("a", "a" + i);
      fixture.append("b", "b" + i);
    }
    holdAllUntilNow();
    CountDownLatch within = new CountDownLatch(1);
    CountDownLatch goOn = new CountDownLatch(1);
    Collected collected = new Collected();
    collected.answering(
        message -> {
          if (collected.count() == 5) {
            within.countDown();
            assertThat(goOn.await(60, TimeUnit.SECONDS)).isTrue();
          }
          return Delivery.delivered();
        });
    Destination to = Destination.of(fixture.destination, collected).withConcurrency(1);
    OutboxRelay first = fixture.start(to);
    assertThat(within.await(60, TimeUnit.SECONDS)).isTrue();
    Thread stop =
        new Thread(() -> assertThat(first.stop(Duration.ofSeconds(30)).isClean()).isTrue(), "stop");
    stop.start();
    RelayFixture.await(() -> stop.getState() == Thread.State.TIMED_WAITING);
    goOn.countDown();
    stop.join();
    assertThat(collected.texts()).hasSize(6);
    assertThat(fixture.held()).as("what was delivered is written down").isEqualTo(14);
    fixture.start(to);
    RelayFixture.await(fixture::isEmpty);
    assertThat(collected.texts()).doesNotHaveDuplicates().hasSize(20);
    assertThat(collected.texts("a"))
        .isEqualTo(List.of("a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8", "a9"));
    collected.assertOrdered();
  }

  /** A destination that was down for long: many keys are due at once, with much behind each. */
  @Test
  void keysThatAreDueAtOnce_areReadAsFarAsThereIsRoom() {
    Integer[] lanes = new Integer[50];
    for (int i = 0; i < lanes.length; i++) {
      lanes[i] = KeyPlace.lane("k" + i);
    }
    fixture.dsl.execute(
        "insert into pgbelay.outbox_message (destination, lane, message_id, topic, key, payload)"
            + " select ?, (?::int[])[1 + n % 50], 'm' || n, 't', 'k' || n % 50,"
            + " convert_to(repeat('x', 4096), 'UTF8') from generate_series(0, 999) as n order by n",
        fixture.number, lanes);
    holdAllUntilNow();
    SimpleMeterRegistry registry = new SimpleMeterRegistry();
    CountDownLatch goOn = new CountDownLatch(1);
    CountDownLatch within = new CountDownLatch(4);
    Collected collected =
        new Collected()
            .answering(
                message -> {
                  within.countDown();
                  assertThat(goOn.await(60, TimeUnit.SECONDS)).isTrue();
                  return Delivery.delivered();
                });
    fixture.start(
        fixture
            .relay(Destination.of(fixture.destination, collected))
            .window(100, 1 << 20)
            .meterRegistry(registry));
    RelayFixture.await(() -> within.getCount() == 0);
    assertThat(registry.get("pgbelay.outbox.buffered").gauge().value() * 4096).isLessThan(2 << 20);
    goOn.countDown();
    RelayFixture.await(fixture::isEmpty);
    collected.assertOrdered();
  }

  /** Its producer is not strict: it comes to stand in front of one that has failed often. */
  @Test
  void lowerIdThatCommitsWhileItsKeyIsHeld_hasAllItsAttempts() throws Exception {
    Collected collected = new Collected();
    try (Connection open = postgres.dataSource().getConnection()) {
      open.setAutoCommit(false);
      fixture.append(open, "k", "late");
      fixture.append("k", "first");
      holdAllUntilNow();
      held("attempts = 9, next_at = now() + interval '1 hour', reason = 'down'");
      fixture.start(Destination.of(fixture.destination, collected));
      open.commit();
    }
    RelayFixture.await(() -> fixture.held() == 2);
    fixture.append("k", "last");
    RelayFixture.await(() -> fixture.held() == 3);
    assertThat(collected.all()).isEmpty();
    held("next_at = now()");
    RelayFixture.await(fixture::isEmpty);
    assertThat(collected.all()).extracting(Message::attempt).containsExactly(1, 1, 1);
    assertThat(collected.texts()).containsExactly("late", "first", "last");
  }

  /** One that comes behind takes nothing from the first. */
  @Test
  void higherIdThatCommitsWhileItsKeyIsHeld_leavesTheAttempts() {
    Collected collected = new Collected();
    fixture.append("k", "first");
    holdAllUntilNow();
    held("attempts = 9, next_at = now() + interval '1 hour', reason = 'down'");
    fixture.start(Destination.of(fixture.destination, collected));
    fixture.append("k", "last");
    RelayFixture.await(() -> fixture.held() == 2);
    held("next_at = now()");
    RelayFixture.await(fixture::isEmpty);
    assertThat(collected.all()).extracting(Message::attempt).containsExactly(10, 1);
  }

  private void held(String change) {
    fixture.dsl.execute(
        "update pgbelay.outbox_held_key set " + change + " where destination = ?", fixture.number);
  }
}

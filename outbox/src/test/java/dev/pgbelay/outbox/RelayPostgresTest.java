package dev.pgbelay.outbox;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.testing.PostgresExtension;
import java.sql.Connection;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** One relay: it finds, delivers in order and acknowledges. */
class RelayPostgresTest {
  @RegisterExtension
  @Order(1)
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(RelayFixture.SCHEMA);

  @RegisterExtension
  @Order(2)
  static final RelayFixture.Relays relays = new RelayFixture.Relays(postgres);

  private final RelayFixture fixture = new RelayFixture(postgres, relays);

  @Test
  void messagesOfManyKeys_areDeliveredOnceEachInTheOrderOfTheirKey() {
    fixture.appendMany(2_000, 37);
    Collected collected = new Collected(50);
    fixture.start(Destination.of(fixture.destination, collected));
    RelayFixture.await(() -> fixture.messages() == 0);
    assertThat(collected.count()).isEqualTo(2_000);
    collected.assertOrdered();
    List<String> third = collected.texts("k3");
    assertThat(third)
        .containsExactlyElementsOf(
            java.util.stream.IntStream.range(0, third.size()).mapToObj(Integer::toString).toList());
  }

  @Test
  void allOfOneKey_isDeliveredInOrder() {
    fixture.appendMany(3_000, 1);
    Collected collected = new Collected(20);
    fixture.start(
        fixture.relay(Destination.of(fixture.destination, collected)).window(100, 1 << 20));
    RelayFixture.await(() -> fixture.messages() == 0);
    assertThat(collected.count()).isEqualTo(3_000);
    collected.assertOrdered();
  }

  @Test
  void message_hasAllThatWasAppended() {
    fixture.dsl.execute(
        "insert into pgbelay.outbox_message"
            + " (destination, lane, message_id, topic, key, type, headers, payload, replay)"
            + " values (?, 3, 'id-1', 'orders', 'o-1', 'placed', array['a', '1', 'b', '2'],"
            + " convert_to('hello', 'UTF8'), true)",
        fixture.number);
    Collected collected = new Collected();
    fixture.start(Destination.of(fixture.destination, collected));
    RelayFixture.await(() -> fixture.messages() == 0);
    Message message = collected.all().get(0);
    assertThat(message.messageId()).isEqualTo("id-1");
    assertThat(message.topic()).isEqualTo("orders");
    assertThat(message.key()).contains("o-1");
    assertThat(message.type()).contains("placed");
    assertThat(message.headers()).containsEntry("a", "1").containsEntry("b", "2").hasSize(2);
    assertThat(Collected.text(message)).isEqualTo("hello");
    assertThat(message.attempt()).isEqualTo(1);
    assertThat(message.replay()).isTrue();
    assertThat(message.position().lsn()).isPositive();
    assertThat(Duration.between(message.appendedAt(), java.time.Instant.now()).abs())
        .isLessThan(Duration.ofMinutes(10));
  }

  @Test
  void largePayloads_areReadWhenTheirTurnComes() {
    String large = "x".repeat(300_000);
    for (int i = 0; i < 5; i++) {
      fixture.append("k", i + large);
      fixture.append(null, "free" + i + large);
    }
    Collected collected = new Collected(3);
    fixture.start(Destination.of(fixture.destination, collected));
    RelayFixture.await(() -> fixture.messages() == 0);
    assertThat(collected.texts("k"))
        .containsExactly("0" + large, "1" + large, "2" + large, "3" + large, "4" + large);
    assertThat(collected.count()).isEqualTo(10);
  }

  /** Hazard 1: id 10 commits after 11 to 1000; and the next of its key is behind it. */
  @Test
  void lowerIdThatCommitsLater_isDeliveredAndInOrder() throws Exception {
    Collected collected = new Collected(100);
    fixture.start(Destination.of(fixture.destination, collected));
    try (Connection first = postgres.dataSource().getConnection()) {
      first.setAutoCommit(false);
      long low = fixture.append(first, "late", "A");
      fixture.appendMany(1_000, 20);
      RelayFixture.await(() -> collected.count() == 1_000);
      RelayFixture.await(() -> fixture.messages() == 0);
      first.commit();
      long high = fixture.append("late", "B");
      assertThat(low).isLessThan(high);
      RelayFixture.await(() -> fixture.messages() == 0);
    }
    assertThat(collected.texts("late")).containsExactly("A", "B");
    assertThat(collected.count()).isEqualTo(1_002);
  }

  /** Both are committed before anybody looks, the lower one by a transaction that ended later. */
  @Test
  void messagesOfOneLaneWithAnotherKeyStillOpen_areNotHeldUp() throws Exception {
    Collected collected = new Collected(10);
    fixture.start(Destination.of(fixture.destination, collected));
    try (Connection open = postgres.dataSource().getConnection()) {
      open.setAutoCommit(false);
      fixture.append(open, "a", "open");
      for (int i = 0; i < 50; i++) {
        fixture.append("b", "b" + i);
      }
      RelayFixture.await(() -> collected.count() == 50);
      open.rollback();
    }
    RelayFixture.await(() -> fixture.messages() == 0);
    assertThat(collected.count()).isEqualTo(50);
    collected.assertOrdered();
  }

  @Test
  void keyWhoseCallHangs_doesNotHoldUpOthers() throws Exception {
    CountDownLatch release = new CountDownLatch(1);
    Collected collected =
        new Collected(1)
            .answering(
                message -> {
                  if (message.key().filter("slow"::equals).isPresent()) {
                    release.await();
                  }
                  return Delivery.delivered();
                });
    try (Connection connection = postgres.dataSource().getConnection()) {
      connection.setAutoCommit(false);
      for (int i = 0; i < 1_500; i++) {
        fixture.append(connection, "slow", "s" + i);
        if (i == 100) {
          connection.commit();
          fixture.appendMany(3_000, 30);
        }
      }
      connection.commit();
    }
    fixture.start(
        fixture.relay(Destination.of(fixture.destination, collected)).window(200, 1 << 20));
    RelayFixture.await(() -> collected.count() == 3_000);
    release.countDown();
    RelayFixture.await(() -> fixture.messages() == 0);
    collected.assertOrdered();
  }

  @Test
  void window_boundsWhatIsInMemory() throws Exception {
    fixture.appendMany(5_000, 100);
    Semaphore permits = new Semaphore(0);
    Collected collected =
        new Collected(10)
            .answering(
                message -> {
                  permits.acquire();
                  return Delivery.delivered();
                });
    OutboxRelayBuilder builder =
        fixture.relay(Destination.of(fixture.destination, collected)).window(300, 1 << 20);
    List<Integer> most = new ArrayList<>();
    io.micrometer.core.instrument.simple.SimpleMeterRegistry registry =
        new io.micrometer.core.instrument.simple.SimpleMeterRegistry();
    fixture.start(builder.meterRegistry(registry));
    for (int i = 0; i < 50; i++) {
      permits.release(100);
      int done = (i + 1) * 100;
      RelayFixture.await(() -> collected.count() >= done - 40);
      most.add((int) registry.get("pgbelay.outbox.buffered").gauge().value());
    }
    permits.release(1_000);
    RelayFixture.await(() -> fixture.messages() == 0);
    assertThat(most).allSatisfy(here -> assertThat(here).isLessThanOrEqualTo(300));
    assertThat(collected.count()).isEqualTo(5_000);
    collected.assertOrdered();
  }
}

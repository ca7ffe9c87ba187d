package dev.pgbelay.outbox;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.outbox.replay.Published;
import dev.pgbelay.outbox.replay.Replay;
import dev.pgbelay.testing.PostgresExtension;
import java.time.Duration;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What relays have delivered and kept is delivered once more, by relays. */
class ReplayRelayPostgresTest {
  private static final RetryPauses SHORT =
      RetryPauses.exponential(Duration.ofMillis(10), Duration.ofMillis(20));

  @RegisterExtension
  @Order(1)
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(RelayFixture.SCHEMA);

  @RegisterExtension
  @Order(2)
  static final RelayFixture.Relays relays = new RelayFixture.Relays(postgres);

  private final RelayFixture fixture = new RelayFixture(postgres, relays);
  private final Replay replay = Replay.of(fixture.transactions);

  private static Destination keeping(RelayFixture at, Collected collected) {
    return Destination.of(at.destination, collected)
        .withRetention(Duration.ofDays(28))
        .withRetries(10, SHORT);
  }

  /** So many messages over so many keys, delivered and kept. */
  private Collected deliver(int messages, int keys) {
    Collected collected = new Collected(7);
    fixture.appendMany(messages, keys);
    fixture.start(keeping(fixture, collected));
    RelayFixture.await(() -> collected.count() == messages && fixture.isEmpty());
    return collected;
  }

  private Instant now() {
    return fixture
        .dsl
        .fetchSingle("select clock_timestamp()")
        .get(0, OffsetDateTime.class)
        .toInstant();
  }

  private Published lately() {
    Instant now = now();
    return Published.to(fixture.destination)
        .between(now.minus(Duration.ofHours(1)), now.plus(Duration.ofHours(1)));
  }

  private static List<String> numbers(int count) {
    return IntStream.range(0, count).mapToObj(Integer::toString).toList();
  }

  @Test
  void key_isDeliveredAgainInItsOrderAndMarked() {
    Collected collected = deliver(60, 6);
    List<Message> before = collected.all();
    assertThat(replay.replay(lately().ofKey("k3"))).isEqualTo(10);
    RelayFixture.await(() -> collected.count() == 70 && fixture.isEmpty());
    List<Message> again = collected.all().subList(60, 70);
    assertThat(again).extracting(Collected::text).containsExactlyElementsOf(numbers(10));
    assertThat(again).allMatch(Message::replay).allMatch(one -> one.attempt() == 1);
    assertThat(again).extracting(one -> one.key().orElseThrow()).containsOnly("k3");
    assertThat(again)
        .extracting(Message::messageId)
        .containsExactlyElementsOf(
            before.stream()
                .filter(one -> one.key().orElseThrow().equals("k3"))
                .map(Message::messageId)
                .toList());
    long last = before.stream().mapToLong(Message::sequence).max().orElseThrow();
    assertThat(again).allMatch(one -> one.sequence() > last);
    assertThat(before).noneMatch(Message::replay);
  }

  /** What was a replay is kept as such, and is not among what the next one delivers. */
  @Test
  void replayOfAReplay_deliversWhatWasDeliveredAtFirst() {
    Collected collected = deliver(30, 3);
    for (int round = 1; round <= 3; round++) {
      int expected = 30 * (round + 1);
      assertThat(replay.replay(lately())).isEqualTo(30);
      RelayFixture.await(() -> collected.count() == expected && fixture.isEmpty());
      for (String key : List.of("k0", "k1", "k2")) {
        List<String> texts = collected.texts(key);
        assertThat(texts.subList(10 * round, 10 * (round + 1)))
            .containsExactlyElementsOf(numbers(10));
      }
    }
    assertThat(
            fixture.count(
                "select count(*) from pgbelay.outbox_published where destination = ? and replay",
                fixture.number))
        .isEqualTo(90);
  }

  @Test
  void rangeOfIds_isDeliveredToTheOtherDestinationOnly() {
    Collected collected = deliver(40, 4);
    RelayFixture other = new RelayFixture(postgres, relays);
    Collected there = new Collected(3);
    other.start(keeping(other, there));
    List<Long> ids = collected.all().stream().map(Message::sequence).sorted().toList();
    Published range = Published.to(fixture.destination).withIds(ids.get(10), ids.get(29));
    assertThat(replay.replay(range, other.destination)).isEqualTo(20);
    RelayFixture.await(() -> there.count() == 20 && other.isEmpty());
    assertThat(collected.count()).isEqualTo(40);
    there.assertOrdered();
    Set<Long> chosen = new HashSet<>(ids.subList(10, 30));
    assertThat(there.all())
        .extracting(Message::messageId)
        .containsExactlyInAnyOrderElementsOf(
            collected.all().stream()
                .filter(one -> chosen.contains(one.sequence()))
                .map(Message::messageId)
                .toList());
    // The tenth message is of k2, the twelfth of k0.
    assertThat(there.texts("k2")).containsExactly("2", "3", "4", "5", "6");
    assertThat(there.texts("k0")).containsExactly("3", "4", "5", "6", "7");
  }

  /** The days' slots are chosen by the same moments as the messages. */
  @Test
  void windowAcrossMidnight_hasWhatWasDeliveredWithinIt() {
    Collected collected = deliver(6, 1);
    Instant midnight = Instant.parse("2026-03-01T00:00:00Z");
    List<Duration> offsets =
        List.of(
            Duration.ofHours(-30),
            Duration.ofNanos(-1_000),
            Duration.ZERO,
            Duration.ofNanos(1_000),
            Duration.ofHours(24).minusNanos(1_000),
            Duration.ofHours(24));
    for (int i = 0; i < offsets.size(); i++) {
      fixture.dsl.execute(
          "update pgbelay.outbox_published as p set published_at = t.at,"
              + " published_day = floor(extract(epoch from t.at) / 86400)"
              + " from (select cast(? as timestamptz) as at) as t"
              + " where destination = ? and convert_from(payload, 'UTF8') = ?",
          midnight.plus(offsets.get(i)).toString(),
          fixture.number,
          Integer.toString(i));
    }
    assertThat(window(midnight.minusSeconds(1), midnight)).containsExactly("1");
    assertThat(window(midnight, midnight.plusSeconds(1))).containsExactly("2", "3");
    assertThat(window(midnight.minusSeconds(1), midnight.plusSeconds(1)))
        .containsExactly("1", "2", "3");
    assertThat(window(midnight, midnight.plus(Duration.ofDays(1)))).containsExactly("2", "3", "4");
    assertThat(window(midnight.minus(Duration.ofDays(40)), midnight.plus(Duration.ofDays(40))))
        .containsExactly("0", "1", "2", "3", "4", "5");
    assertThat(collected.count()).isEqualTo(6 + 1 + 2 + 3 + 3 + 6);
  }

  private int delivered = 6;

  private List<String> window(Instant from, Instant until) {
    Published which = Published.to(fixture.destination).between(from, until);
    long count = replay.replay(which);
    RelayFixture.await(fixture::isEmpty);
    int before = delivered;
    delivered += (int) count;
    List<String> texts =
        fixture
            .dsl
            .fetch(
                "select convert_from(payload, 'UTF8') from pgbelay.outbox_published"
                    + " where destination = ? and replay order by id offset ?",
                fixture.number,
                before - 6)
            .getValues(0, String.class);
    assertThat(texts).hasSize((int) count);
    return texts;
  }

  /** Replayed messages are held, and delivered after that, as others are. */
  @Test
  void replayedMessageThatFails_keepsTheOrderOfItsKeyWithWhatIsAppendedMeanwhile() {
    fixture.appendMany(50, 5);
    Collected collected = new Collected(4);
    Set<String> failed = new HashSet<>();
    collected.answering(
        message -> {
          synchronized (failed) {
            return message.replay()
                    && Collected.text(message).equals("4")
                    && failed.add(message.key().orElseThrow())
                ? Delivery.failed("once")
                : Delivery.delivered();
          }
        });
    fixture.start(keeping(fixture, collected));
    RelayFixture.await(() -> collected.count() == 50 && fixture.isEmpty());
    assertThat(replay.replay(lately())).isEqualTo(50);
    for (int i = 0; i < 5; i++) {
      fixture.append("k" + i, "new");
    }
    RelayFixture.await(() -> collected.count() == 105 && fixture.isEmpty());
    for (int i = 0; i < 5; i++) {
      List<String> texts = collected.texts("k" + i);
      assertThat(texts.subList(10, 20)).containsExactlyElementsOf(numbers(10));
      assertThat(texts.get(20)).isEqualTo("new");
    }
    assertThat(
            fixture.count(
                "select count(*) from pgbelay.outbox_published where destination = ?",
                fixture.number))
        .isEqualTo(105);
  }
}

package dev.pgbelay.outbox.replay;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.outbox.Outbox.Appended;
import dev.pgbelay.outbox.OutboxFixture;
import dev.pgbelay.outbox.route.Routes;
import dev.pgbelay.testing.PostgresExtension;
import java.time.Duration;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Published messages are delivered once more: which, where, and in which order. */
class ReplayPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(OutboxFixture.SCHEMA);

  private final OutboxFixture fixture = new OutboxFixture(postgres.dataSource());
  private final Replay replay = Replay.of(fixture.transactions);

  private List<Appended> publish(int count) {
    List<Appended> appended =
        fixture.appendAll(
            IntStream.range(0, count)
                .mapToObj(
                    i -> fixture.message("k" + i % 2, "p" + i).withType("t").withHeader("h", "x"))
                .toList());
    fixture.publishAll();
    return appended;
  }

  private Instant now() {
    return fixture
        .dsl
        .fetchSingle("select clock_timestamp()")
        .get(0, OffsetDateTime.class)
        .toInstant();
  }

  private Published today() {
    Instant now = now();
    return Published.to(fixture.destination)
        .between(now.minus(Duration.ofHours(1)), now.plus(Duration.ofHours(1)));
  }

  private long id(String payload) {
    return fixture
        .dsl
        .fetchSingle(
            "select id from pgbelay.outbox_published where topic = ?"
                + " and convert_from(payload, 'UTF8') = ?",
            fixture.topic,
            payload)
        .get(0, Long.class);
  }

  @Test
  void window_isReplayedInOrderWithNewIdsAndMarked() {
    List<Appended> appended = publish(5);
    long lastId = fixture.lastId();
    assertThat(replay.replay(today())).isEqualTo(5);
    assertThat(fixture.payloads()).containsExactly("p0", "p1", "p2", "p3", "p4");
    var rows =
        fixture.dsl.fetch(
            "select * from pgbelay.outbox_message where topic = ? order by id", fixture.topic);
    assertThat(rows.getValues("id", Long.class)).allMatch(id -> id > lastId);
    assertThat(rows.getValues("replay", Boolean.class)).containsOnly(true);
    assertThat(rows.getValues("message_id", String.class))
        .containsExactlyElementsOf(appended.stream().map(Appended::messageId).toList());
    assertThat(rows.getValues("type", String.class)).containsOnly("t");
    assertThat(rows.get(0).get("headers", String[].class)).containsExactly("h", "x");
    assertThat(
            fixture.count(
                "select count(*) from pgbelay.outbox_message m join pgbelay.outbox_published p"
                    + " using (message_id, lane, key, appended_at, destination) where m.topic = ?",
                fixture.topic))
        .isEqualTo(5);
  }

  @Test
  void keyTopicAndIds_choose() {
    publish(6);
    assertThat(replay.replay(today().ofKey("k1"))).isEqualTo(3);
    assertThat(fixture.payloads()).containsExactly("p1", "p3", "p5");
    assertThat(replay.replay(today().ofTopic("another"))).isZero();
    assertThat(replay.replay(Published.to(fixture.destination).withIds(id("p1"), id("p3"))))
        .isEqualTo(3);
    assertThat(fixture.payloads()).containsExactly("p1", "p3", "p5", "p1", "p2", "p3");
    Instant now = now();
    assertThat(replay.replay(Published.to(fixture.destination).between(now, now.plusSeconds(1))))
        .isZero();
  }

  @Test
  void otherDestination_isGivenWhatItNeverHad() {
    publish(3);
    fixture.transactions.execute(
        tx -> Routes.create().add(tx, fixture.topic + "-x", fixture.destination + "-new"));
    assertThat(replay.replay(today(), fixture.destination + "-new")).isEqualTo(3);
    assertThat(
            fixture.count(
                "select count(*) from pgbelay.outbox_message m join pgbelay.outbox_destination d"
                    + " on d.id = m.destination where d.name = ?",
                fixture.destination + "-new"))
        .isEqualTo(3);
  }

  @Test
  void replayThatWasPublished_isNotReplayedAgain() {
    publish(3);
    assertThat(replay.replay(today())).isEqualTo(3);
    fixture.publishAll();
    assertThat(replay.replay(today())).isEqualTo(3);
  }

  @Test
  void moreThanOneTransactionTakes_areAllReplayedInOrder() {
    int many = 5_000;
    publish(many);
    fixture.dsl.execute(
        "select setval('pgbelay.outbox_message_id_seq', ?)", fixture.lastId() + 1_000_000L);
    publish(2);
    assertThat(replay.replay(today())).isEqualTo(many + 2);
    assertThat(fixture.payloads())
        .containsExactlyElementsOf(
            IntStream.concat(IntStream.range(0, many), IntStream.range(0, 2))
                .mapToObj(i -> "p" + i)
                .toList());
  }

  @Test
  void badCall_isNamed() {
    assertThatThrownBy(() -> replay.replay(Published.to(fixture.destination).ofKey("secret")))
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("between(…) or withIds(…)")
        .hasMessageNotContaining("secret");
    assertThatThrownBy(() -> replay.replay(today(), "nobody"))
        .hasMessageContaining("no destination 'nobody'");
    assertThatThrownBy(() -> Published.to("d").withIds(2, 1)).hasMessageContaining("firstId is 2");
    Instant now = now();
    assertThatThrownBy(() -> Published.to("d").between(now, now))
        .hasMessageContaining("from must be before until");
  }

  @Test
  void replayThatBreaksOff_saysWhereToGoOn() {
    publish(3);
    fixture.dsl.execute(
        "alter table pgbelay.outbox_message add check (not replay or topic <> '"
            + fixture.topic
            + "')");
    assertThatThrownBy(() -> replay.replay(today()))
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("broke off after 0 messages")
        .hasMessageContaining("go on with withIds(" + id("p0") + ", ");
  }

  /** Nothing to replay is another thing than nothing kept. */
  @Test
  void destinationThatKeepsNothing_isSaidSo() {
    assertThatThrownBy(() -> replay.replay(today()))
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("'" + fixture.destination + "' does not keep")
        .hasMessageContaining("withRetention");
    fixture.dsl.execute(
        "update pgbelay.outbox_destination set retention_days = 7 where name = ?",
        fixture.destination);
    assertThat(replay.replay(today())).isZero();
  }

  @Test
  void timesThatPostgresDoesNotKnow_areTheFirstAndTheLast() {
    publish(4);
    assertThat(replay.replay(Published.to(fixture.destination).between(Instant.MIN, Instant.MAX)))
        .isEqualTo(4);
  }
}

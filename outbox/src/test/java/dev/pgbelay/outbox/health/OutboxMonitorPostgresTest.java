package dev.pgbelay.outbox.health;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.core.health.Health.Reason;
import dev.pgbelay.core.health.Health.Status;
import dev.pgbelay.outbox.OutboxFixture;
import dev.pgbelay.testing.PostgresExtension;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.sql.Connection;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What a monitor reads from the tables, shows, and costs. */
class OutboxMonitorPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(OutboxFixture.SCHEMA);

  private final OutboxFixture fixture = new OutboxFixture(postgres.dataSource());
  private final SimpleMeterRegistry meters = new SimpleMeterRegistry();

  @BeforeEach
  void empty() {
    fixture.dsl.execute(
        "truncate pgbelay.outbox_message, pgbelay.outbox_relay, pgbelay.outbox_held,"
            + " pgbelay.outbox_held_key, pgbelay.outbox_dead, pgbelay.outbox_published");
    fixture.dsl.execute("update pgbelay.outbox_destination set retention_days = null");
  }

  private OutboxMonitor.Builder monitor() {
    return OutboxMonitor.builder(fixture.transactions).meterRegistry(meters);
  }

  private DestinationFigures figures(OutboxSnapshot seen) {
    return Objects.requireNonNull(seen.destinations().get(fixture.destination));
  }

  private int id() {
    return fixture.count(
        "select id from pgbelay.outbox_destination where name = ?", fixture.destination);
  }

  private void age(String table, String column, Duration by) {
    fixture.dsl.execute(
        "update pgbelay." + table + " set " + column + " = " + column + " - ? * interval '1 ms'",
        by.toMillis());
  }

  private double gauge(String name, String... tags) {
    return meters
        .get("pgbelay.outbox." + name)
        .tags("destination", fixture.destination)
        .tags(tags)
        .gauge()
        .value();
  }

  private double gaugeOfAll(String name) {
    return meters.get("pgbelay.outbox." + name).gauge().value();
  }

  private static void assertMinutes(double seconds, int from) {
    assertThat(seconds).isBetween(from * 60.0, from * 60.0 + 240);
  }

  @Test
  void lag_isThatOfTheTablesByTopicAndWithoutReplays() {
    fixture.appendAll(IntStream.range(0, 8).mapToObj(i -> fixture.message("k" + i, "x")).toList());
    age("outbox_message", "appended_at", Duration.ofMinutes(10));
    fixture.append(fixture.message("young", "x"));
    String other = fixture.topic + "-other";
    fixture.dsl.execute(
        "insert into pgbelay.outbox_message (destination, lane, message_id, topic, payload,"
            + " appended_at) values (?, 31, 'other', ?, '', now() - interval '20 minutes')",
        id(),
        other);
    fixture.dsl.execute(
        "insert into pgbelay.outbox_message (destination, lane, message_id, topic, payload, replay,"
            + " appended_at) select ?, n % 32, 'r' || n, ?, '', true, now() - interval '90 days'"
            + " from generate_series(1, 40) n",
        id(), fixture.topic);
    OutboxMonitor monitor = monitor().build();
    DestinationFigures seen = figures(monitor.look());
    assertThat(seen.lag().messages()).isEqualTo(10);
    assertThat(seen.lag().replays()).isEqualTo(40);
    assertMinutes((double) seen.lag().oldest().orElseThrow().toSeconds(), 20);
    assertThat(seen.topics()).containsOnlyKeys(fixture.topic, other);
    assertThat(gauge("waiting")).isEqualTo(10);
    assertThat(gauge("replays")).isEqualTo(40);
    assertMinutes(gauge("waiting.age"), 20);
    assertThat(gauge("topic.waiting", "topic", fixture.topic)).isEqualTo(9);
    assertMinutes(gauge("topic.waiting.age", "topic", fixture.topic), 10);
    assertThat(gauge("topic.waiting", "topic", other)).isEqualTo(1);
    assertMinutes(gauge("topic.waiting.age", "topic", other), 20);

    fixture.dsl.execute("delete from pgbelay.outbox_message where not replay");
    monitor.look();
    assertThat(monitor.health().status())
        .as("replays, of messages that are 90 days old, are no lag")
        .isEqualTo(Status.UP);
    assertThat(gauge("waiting")).isZero();
    assertThat(gauge("waiting.age")).isZero();
    assertThat(gauge("topic.waiting", "topic", other)).isZero();
  }

  @Test
  void heldKeys_areCountedByWhetherSomebodyMustDecide() {
    fixture.appendAll(List.of(fixture.message("a", "1"), fixture.message("a", "2")));
    age("outbox_message", "appended_at", Duration.ofMinutes(40));
    fixture.holdAll(false);
    fixture.appendAll(
        List.of(fixture.message("b", "1"), fixture.message("c", "1"), fixture.message("c", "2")));
    String topic = fixture.topic;
    fixture.dsl.execute(
        "with gone as (delete from pgbelay.outbox_message where topic = ? returning *), moved as"
            + " (insert into pgbelay.outbox_held (id, appended_at, destination, lane, replay,"
            + " message_id, topic, key, hold_key, type, headers, payload) select id, appended_at,"
            + " destination, lane, replay, message_id, topic, key, 'k:' || key, type, headers,"
            + " payload from gone) insert into pgbelay.outbox_held_key (destination, lane,"
            + " hold_key, attempts, held_at, next_at, reason) select distinct destination, lane,"
            + " 'k:' || key, 50, now() - interval '7 minutes', null::timestamptz, 'no' from gone",
        topic);
    fixture.dsl.execute(
        "update pgbelay.outbox_held_key set held_at = now() - interval '30 minutes'"
            + " where next_at is not null");
    OutboxMonitor monitor = monitor().build();
    HeldFigures held = figures(monitor.look()).held();
    assertThat(held.retriedKeys()).isEqualTo(1);
    assertThat(held.parkedKeys()).isEqualTo(2);
    assertThat(held.mostAttempts()).isEqualTo(5);
    assertThat(held.messages()).isEqualTo(5);
    assertThat(gauge("keys", "state", "retried")).isEqualTo(1);
    assertThat(gauge("keys", "state", "parked")).isEqualTo(2);
    assertMinutes(gauge("keys.age", "state", "retried"), 30);
    assertMinutes(gauge("keys.age", "state", "parked"), 7);
    assertThat(gauge("held")).isEqualTo(5);
    assertMinutes(gauge("held.age"), 40);
    assertThat(monitor.health().reasons())
        .extracting(Reason::status)
        .containsExactly(Status.DEGRADED, Status.DEGRADED);
    assertThat(gaugeOfAll("health")).isEqualTo(1);
    fixture.dsl.execute("truncate pgbelay.outbox_held, pgbelay.outbox_held_key");
    monitor.look();
    assertThat(gaugeOfAll("health")).isZero();
    assertThat(gauge("keys.age", "state", "parked")).isZero();
  }

  @Test
  void deadLettersDaysAndRelays_areCounted() {
    fixture.appendAll(IntStream.range(0, 60).mapToObj(i -> fixture.message("x")).toList());
    fixture.buryAll();
    fixture.append(fixture.message("x"));
    fixture.publishAll();
    fixture.dsl.execute(
        "insert into pgbelay.outbox_relay (claimant, node, expires_at, destinations, paused,"
            + " refused, delivered_to, delivered_at) values"
            + " (gen_random_uuid(), 'one', now() + interval '1 minute', array[?, 7], array[?, 7],"
            + " '{7}', array[7, ?], array[now(), now() - interval '9 minutes']),"
            + " (gen_random_uuid(), 'two', now() + interval '1 minute', array[?], '{}', array[?],"
            + " array[?], array[now() - interval '6 minutes']),"
            + " (gen_random_uuid(), 'gone', now() - interval '1 s', array[?], array[?], '{}',"
            + " array[?], array[now()])",
        IntStream.range(0, 9).mapToObj(i -> id()).toArray());
    fixture.dsl.execute(
        "insert into pgbelay.outbox_relay (claimant, node, expires_at, destinations)"
            + " values (gen_random_uuid(), 'of the version before', now() + interval '1 minute',"
            + " '{}')");
    fixture.dsl.execute(
        "update pgbelay.outbox_lane set claim_number = 1, claimant = (select claimant from"
            + " pgbelay.outbox_relay where node = case when lane < 20 then 'one' else 'gone' end)"
            + " where destination = ?",
        id());
    OutboxMonitor monitor = monitor().countUpTo(50).mostDeadLetters(49).build();
    OutboxSnapshot first = monitor.look();
    DestinationFigures seen = figures(first);
    assertThat(seen.deadLetters()).as("counted up to 50").isEqualTo(50);
    assertThat(first.relays()).isEqualTo(3);
    assertThat(seen.service().relays()).isEqualTo(2);
    assertThat(seen.service().freeLanes()).isEqualTo(12);
    assertThat(gaugeOfAll("relays")).isEqualTo(3);
    assertThat(gaugeOfAll("published.overdue")).isZero();
    assertThat(gauge("dead.letters")).isEqualTo(50);
    assertThat(gauge("destination.relays")).isEqualTo(2);
    assertThat(gauge("lanes.free")).isEqualTo(12);
    assertThat(gauge("relays.paused")).isEqualTo(1);
    assertThat(gauge("relays.refused")).isEqualTo(1);
    assertMinutes(gauge("delivered.age"), 6);
    assertThat(seen.service().freeFor()).isLessThan(Duration.ofSeconds(5));
    assertThat(figures(monitor.look()).service().freeFor())
        .as("counted from the first look")
        .isPositive();
    assertThat(monitor.health().reasons())
        .extracting(Reason::text)
        .anyMatch(text -> text.contains("50 dead letters"))
        .anyMatch(text -> text.contains("1 of 2 relays only probe it"));
  }

  @Test
  void publishedDays_areOverdueADayAfterTheirRetention() {
    fixture.append(fixture.message("x"));
    fixture.publishAll();
    keepFor(3);
    OutboxFixture shorter = new OutboxFixture(postgres.dataSource());
    fixture.dsl.execute(
        "update pgbelay.outbox_destination set retention_days = 1 where id = ?",
        shorter.destinationId());
    OutboxMonitor monitor = monitor().build();
    for (int days : new int[] {3, 4}) {
      moveDay(days);
      assertThat(monitor.look().overdueDays()).as("%d days old", days).isZero();
    }
    moveDay(5);
    assertThat(monitor.look().overdueDays()).isEqualTo(1);
    assertThat(gaugeOfAll("published.overdue")).isEqualTo(1);
    assertThat(monitor.health().status()).isEqualTo(Status.DEGRADED);
    keepFor(4);
    assertThat(monitor.look().overdueDays()).as("kept for a day longer").isZero();
    fixture.dsl.execute("update pgbelay.outbox_destination set retention_days = null");
    moveDay(1);
    assertThat(monitor.look().overdueDays()).as("kept by nobody").isZero();
    moveDay(2);
    assertThat(monitor.look().overdueDays()).as("kept by nobody, a day later").isEqualTo(1);
  }

  /** As relays write it. */
  private void keepFor(int days) {
    fixture.dsl.execute(
        "update pgbelay.outbox_destination set retention_days = ?::smallint where id = ?",
        days,
        id());
  }

  /** All that is published becomes so many days old. */
  private void moveDay(int days) {
    fixture.dsl.execute(
        "create table kept as select * from pgbelay.outbox_published;"
            + "truncate pgbelay.outbox_published;"
            + "update kept set published_day = floor(extract(epoch from clock_timestamp()) / 86400)"
            + " - "
            + days
            + ";insert into pgbelay.outbox_published select * from kept; drop table kept");
  }

  @Test
  void snapshotThatPinsTheHorizon_isNamed() throws Exception {
    try (Connection old = postgres.database().connect()) {
      old.setAutoCommit(false);
      old.setTransactionIsolation(Connection.TRANSACTION_REPEATABLE_READ);
      old.createStatement().execute("select 1");
      OutboxMonitor monitor = monitor().pinnedHorizon(Duration.ofSeconds(1)).build();
      OutboxFixture.await(() -> !monitor.look().pins().isEmpty());
      assertThat(gaugeOfAll("horizon.pinned")).isGreaterThanOrEqualTo(1);
      assertThat(monitor.health().reasons().get(0).text()).contains("dead rows", "session");
      old.rollback();
      OutboxFixture.await(() -> monitor.look().pins().isEmpty());
      assertThat(gaugeOfAll("horizon.pinned")).isZero();
    }
  }

  @Test
  void lookThatFailsUnderAPinnedHorizon_namesWhoPinsIt() throws Exception {
    OutboxMonitor monitor = monitor().pinnedHorizon(Duration.ofSeconds(1)).build();
    try (Connection old = postgres.database().connect()) {
      old.setAutoCommit(false);
      old.setTransactionIsolation(Connection.TRANSACTION_REPEATABLE_READ);
      old.createStatement().execute("select 1");
      OutboxFixture.await(() -> !monitor.look().pins().isEmpty());
      fixture.dsl.execute("alter table pgbelay.outbox_message rename to not_now");
      assertThatThrownBy(monitor::look)
          .hasMessageContaining("could not be read, and dead rows are not cleaned up because of")
          .hasMessageContaining("session")
          .hasStackTraceContaining("outbox_message");
      old.rollback();
    } finally {
      fixture.dsl.execute("alter table if exists pgbelay.not_now rename to outbox_message");
    }
    OutboxFixture.await(() -> monitor.look().pins().isEmpty());
  }

  @Test
  void freeLanes_areDownFromWhenTheyWereSeenFirst() {
    OutboxMonitor monitor = monitor().free(Duration.ofSeconds(1)).build();
    monitor.look();
    assertThat(monitor.health().status()).isEqualTo(Status.UP);
    OutboxFixture.await(
        () -> {
          monitor.look();
          return monitor.health().status() == Status.DOWN;
        });
    assertThat(monitor.health().reasons())
        .extracting(Reason::text)
        .anyMatch(text -> text.contains("no relay that is alive delivers there"));
    assertThat(gaugeOfAll("health")).isEqualTo(2);
    fixture.dsl.execute(
        "with relay as (insert into pgbelay.outbox_relay (claimant, node, expires_at,"
            + " destinations) values (gen_random_uuid(), 'one', now() + interval '1 minute',"
            + " array[?]) returning claimant) update pgbelay.outbox_lane set claim_number = 1,"
            + " claimant = relay.claimant from relay where destination = ?",
        id(),
        id());
    assertThat(figures(monitor.look()).service().freeFor()).isZero();
    fixture.dsl.execute("truncate pgbelay.outbox_relay");
    assertThat(figures(monitor.look()).service().freeFor())
        .as("counted anew")
        .isLessThan(Duration.ofMillis(900));
  }

  @Test
  void closedMonitor_takesItsGaugesAway() {
    OutboxMonitor monitor = monitor().build();
    monitor.look();
    assertThat(meters.getMeters()).isNotEmpty();
    monitor.close();
    assertThat(meters.find("pgbelay.outbox.waiting").gauges()).isEmpty();
    assertThat(meters.find("pgbelay.outbox.health").gauges()).isEmpty();
  }

  @Test
  void badOptions_areRefusedByName() {
    assertThatThrownBy(() -> monitor().standstill(Duration.ofSeconds(1)))
        .hasMessageContaining("standstill must be between");
    assertThatThrownBy(() -> monitor().standstill("d", Duration.ofSeconds(1)))
        .hasMessageContaining("standstill must be between");
    assertThatThrownBy(() -> monitor().late(Duration.ZERO)).hasMessageContaining("late must be");
    assertThatThrownBy(() -> monitor().retried(Duration.ZERO))
        .hasMessageContaining("retried must be");
    assertThatThrownBy(() -> monitor().parked(Duration.ofDays(31)))
        .hasMessageContaining("parked must be");
    assertThatThrownBy(() -> monitor().free(Duration.ZERO)).hasMessageContaining("free must be");
    assertThatThrownBy(() -> monitor().countUpTo(0)).hasMessageContaining("countUpTo must be");
    assertThatThrownBy(() -> monitor().mostDeadLetters(-1))
        .hasMessageContaining("mostDeadLetters must be");
    assertThatThrownBy(() -> monitor().countUpTo(10).mostDeadLetters(10).build())
        .hasMessageContaining("mostDeadLetters is 10")
        .hasMessageContaining("must be less");
    assertThatThrownBy(() -> monitor().interval(Duration.ZERO))
        .hasMessageContaining("interval must be");
    assertThatThrownBy(() -> monitor().pinnedHorizon(Duration.ZERO))
        .hasMessageContaining("pinnedHorizon must be");
    assertThatThrownBy(() -> monitor().name("No")).hasMessageContaining("name is \"No\"");
  }
}

package dev.pgbelay.outbox;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.testing.PostgresExtension;
import java.sql.Connection;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Messages that were delivered and are kept for some days. */
class PublishedUpkeepPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(OutboxFixture.SCHEMA);

  private final OutboxFixture fixture = new OutboxFixture(postgres.dataSource());

  @BeforeEach
  void forgetOtherTests() {
    fixture.dsl.execute("update pgbelay.outbox_destination set retention_days = null");
    fixture.dsl.execute("truncate pgbelay.outbox_published");
  }

  /** As if it had been published so many days ago. */
  private void publish(int... daysAgo) {
    for (int days : daysAgo) {
      fixture.append(fixture.message("day " + days));
      fixture.publishAll();
      fixture.dsl.execute(
          "update pgbelay.outbox_published set published_day = published_day - ?,"
              + " published_at = published_at - ? * interval '1 day'"
              + " where topic = ? and convert_from(payload, 'UTF8') = ?",
          days,
          days,
          fixture.topic,
          "day " + days);
    }
  }

  private List<String> kept() {
    return fixture
        .dsl
        .fetch(
            "select convert_from(payload, 'UTF8') from pgbelay.outbox_published where topic = ?"
                + " order by published_day desc",
            fixture.topic)
        .getValues(0, String.class);
  }

  private PublishedUpkeep upkeep(Transactions on, int days) {
    short number = (short) fixture.destinationId();
    return new PublishedUpkeep(on, "pgbelay", () -> Map.of(number, days));
  }

  private PublishedUpkeep upkeep(int days) {
    return upkeep(fixture.transactions, days);
  }

  private Integer said(int destination) {
    return fixture
        .dsl
        .fetchSingle(
            "select retention_days from pgbelay.outbox_destination where id = ?", destination)
        .get(0, Integer.class);
  }

  @Test
  void daysPastRetention_areEmptiedAndOthersKept() throws Exception {
    publish(0, 1, 3, 4, 5, 20);
    assertThat(upkeep(3).pass().work()).isEqualTo(3);
    assertThat(kept()).containsExactly("day 0", "day 1", "day 3");
    assertThat(upkeep(3).pass().work()).isZero();
    assertThat(said(fixture.destinationId())).isEqualTo(3);
  }

  @Test
  void messageOfTheLongestRetention_isKeptForItsLastDay() throws Exception {
    publish(0, 28, 29);
    assertThat(upkeep(28).pass().work()).isEqualTo(1);
    assertThat(kept()).containsExactly("day 0", "day 28");
  }

  /** The slot of tomorrow is that of 31 days ago: it must be empty before it is tomorrow. */
  @Test
  void slotsThatComeNext_areLeftAlone() throws Exception {
    publish(30, 31);
    assertThat(upkeep(1).pass().work()).isEqualTo(1);
    assertThat(kept()).containsExactly("day 31");
  }

  @Test
  void otherDestinationThatKeepsLonger_isHeeded() throws Exception {
    OutboxFixture other = new OutboxFixture(postgres.dataSource());
    new PublishedUpkeep(
            other.transactions, "pgbelay", () -> Map.of((short) other.destinationId(), 5))
        .pass();
    publish(1, 4, 5, 6);
    assertThat(upkeep(1).pass().work()).isEqualTo(1);
    assertThat(kept()).containsExactly("day 1", "day 4", "day 5");
  }

  @Test
  void retentionThatIsNotSaidAnyMore_isForgottenAndTheRingEmptied() throws Exception {
    publish(0, 1, 4);
    upkeep(5).pass();
    assertThat(upkeep(0).pass().work()).isEqualTo(2);
    assertThat(said(fixture.destinationId())).isNull();
    assertThat(kept()).containsExactly("day 0");
  }

  /** One that reads an old day, such as a replay or a backup, must not stop the others. */
  @Test
  void dayThatSomebodyReads_isEmptiedLaterAndOthersNow() throws Exception {
    publish(4, 5, 6);
    int slot =
        fixture.count(
            "select published_day % 32 from pgbelay.outbox_published"
                + " where topic = ? and convert_from(payload, 'UTF8') = 'day 5'",
            fixture.topic);
    try (Connection reader = postgres.dataSource().getConnection()) {
      reader.setAutoCommit(false);
      reader
          .createStatement()
          .execute("select from " + new TablesSql("pgbelay").slot(slot) + " limit 1");
      assertThatThrownBy(() -> upkeep(1).pass()).hasMessageContaining("lock timeout");
      assertThat(kept()).containsExactly("day 5");
      reader.commit();
    }
    assertThat(upkeep(1).pass().work()).isEqualTo(1);
  }

  @Test
  void relayThatKeepsNothing_needsNoGrantForIt() throws Exception {
    fixture.dsl.execute(
        "do $$ begin create role outbox_keeps_nothing; exception when duplicate_object then null;"
            + " end $$");
    fixture.dsl.execute("grant usage on schema pgbelay to outbox_keeps_nothing");
    fixture.dsl.execute("grant select on pgbelay.outbox_destination to outbox_keeps_nothing");
    try (HikariDataSource pool = RelayFixture.pool(postgres.jdbcUrl(), 1, "outbox_keeps_nothing")) {
      assertThat(upkeep(Transactions.of(pool), 0).pass().work()).isZero();
      assertThatThrownBy(() -> upkeep(Transactions.of(pool), 1).pass())
          .hasMessageContaining("permission denied for table outbox_destination");
    }
  }

  @Test
  void everythingOfAMessage_isKept() {
    fixture.append(fixture.message("k", "p").withType("t").withHeader("a", "b"));
    var before =
        fixture.dsl.fetchSingle(
            "select id, appended_at, destination, lane, replay, message_id, topic, key, type,"
                + " headers::text, payload::text from pgbelay.outbox_message where topic = ?",
            fixture.topic);
    fixture.publishAll();
    assertThat(fixture.payloads()).isEmpty();
    assertThat(
            fixture
                .dsl
                .fetchSingle(
                    "select id, appended_at, destination, lane, replay, message_id, topic, key, type,"
                        + " headers::text, payload::text from pgbelay.outbox_published where topic = ?",
                    fixture.topic)
                .intoList())
        .isEqualTo(before.intoList());
  }

  @Test
  void retentionOutOfRange_isRefused() {
    Destination to = Destination.of("kafka", new Collected());
    assertThatThrownBy(() -> to.withRetention(Duration.ofHours(23)))
        .hasMessageContaining("retention of 'kafka' must be between");
    assertThatThrownBy(() -> to.withRetention(Duration.ofDays(29)))
        .hasMessageContaining("retention of 'kafka' must be between");
    assertThatThrownBy(() -> to.withRetention(Duration.ofHours(25)))
        .hasMessageContaining("must be whole days, is PT25H");
    assertThat(to.retentionDays()).isZero();
    Destination kept = to.withRetention(Duration.ofDays(28)).withConcurrency(2);
    assertThat(kept.retentionDays()).isEqualTo(28);
  }
}

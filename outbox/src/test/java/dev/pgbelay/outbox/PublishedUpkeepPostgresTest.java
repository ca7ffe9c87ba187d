package dev.pgbelay.outbox;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.testing.PostgresExtension;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Messages that were delivered and are kept for some days. */
class PublishedUpkeepPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(OutboxFixture.SCHEMA);

  private final OutboxFixture fixture = new OutboxFixture(postgres.dataSource());

  /** As if it had been published so many days ago. */
  private void publish(int daysAgo) {
    fixture.append(fixture.message("day " + daysAgo));
    fixture.publishAll();
    fixture.dsl.execute(
        "update pgbelay.outbox_published set published_day = published_day - ?,"
            + " published_at = published_at - ? * interval '1 day'"
            + " where topic = ? and convert_from(payload, 'UTF8') = ?",
        daysAgo,
        daysAgo,
        fixture.topic,
        "day " + daysAgo);
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

  private PublishedUpkeep upkeep(int days) {
    return new PublishedUpkeep(fixture.transactions, "pgbelay", days);
  }

  @Test
  void daysPastRetention_areEmptiedAndOthersKept() throws Exception {
    for (int day : List.of(0, 1, 3, 4, 5, 20)) {
      publish(day);
    }
    assertThat(upkeep(3).emptyExpired()).isEqualTo(3);
    assertThat(kept()).containsExactly("day 0", "day 1", "day 3");
    assertThat(upkeep(3).emptyExpired()).isZero();
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
  void daysOutOfRange_areRefused() {
    assertThatThrownBy(() -> upkeep(0)).hasMessageContaining("keepPublished must be between 1");
    assertThatThrownBy(() -> upkeep(29)).hasMessageContaining("is 29");
  }
}

package dev.pgbelay.outbox;

import static org.assertj.core.api.Assertions.assertThat;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.testing.FaultProxy;
import dev.pgbelay.testing.FaultProxy.Direction;
import dev.pgbelay.testing.PostgresExtension;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.jooq.Record;
import org.jooq.Result;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What a relay has delivered is kept where its destination says so, once, and as it was. */
class RelayRetentionPostgresTest {
  private static final RetryPauses SHORT =
      RetryPauses.exponential(Duration.ofMillis(10), Duration.ofMillis(20));
  private static final String COLUMNS =
      "id, appended_at, destination, lane, replay, message_id, topic, key, type, headers::text,"
          + " md5(payload)";

  @RegisterExtension
  @Order(1)
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(RelayFixture.SCHEMA);

  @RegisterExtension
  @Order(2)
  static final RelayFixture.Relays relays = new RelayFixture.Relays(postgres);

  private final RelayFixture fixture = new RelayFixture(postgres, relays);

  private Result<Record> rows(String table) {
    return fixture.dsl.fetch(
        "select " + COLUMNS + " from pgbelay." + table + " where destination = ? order by id",
        fixture.number);
  }

  private Destination keeping(Collected collected) {
    return Destination.of(fixture.destination, collected)
        .withRetention(Duration.ofDays(3))
        .withRetries(10, SHORT);
  }

  @Test
  void deliveredMessages_areKeptAsTheyWere() {
    fixture.append(null, "unkeyed");
    fixture.append(null, "x".repeat(50_000));
    fixture.appendMany(500, 20);
    fixture.dsl.execute(
        "update pgbelay.outbox_message set type = 't', headers = array['a', 'b'], replay = id % 2 = 0,"
            + " appended_at = appended_at - interval '40 days'"
            + " where destination = ?",
        fixture.number);
    var before = rows("outbox_message").intoMaps();
    fixture.start(keeping(new Collected(50)));
    RelayFixture.await(fixture::isEmpty);
    assertThat(rows("outbox_published").intoMaps()).isEqualTo(before).hasSize(502);
    assertThat(
            fixture.count(
                "select count(*) from pgbelay.outbox_published where destination = ?"
                    + " and published_at between now() - interval '5 minutes' and clock_timestamp()"
                    + " and published_at >= appended_at"
                    + " and published_day = floor(extract(epoch from published_at) / 86400)",
                fixture.number))
        .isEqualTo(502);
    RelayFixture.await(
        () ->
            fixture.count(
                    "select retention_days from pgbelay.outbox_destination where id = ?",
                    fixture.number)
                == 3);
  }

  @Test
  void messagesThatWereHeld_areKeptOnceAndInTheirOrder() {
    fixture.append("k", "0");
    fixture.append("k", "poison");
    fixture.append("k", "y".repeat(50_000));
    fixture.append("k", "2");
    fixture.append(null, "poison");
    AtomicInteger failures = new AtomicInteger();
    Collected collected =
        new Collected(2)
            .answering(
                message ->
                    Collected.text(message).equals("poison") && failures.incrementAndGet() <= 4
                        ? Delivery.failed("not yet")
                        : Delivery.delivered());
    var before = rows("outbox_message").intoMaps();
    fixture.start(keeping(collected));
    RelayFixture.await(fixture::isEmpty);
    assertThat(rows("outbox_published").intoMaps()).isEqualTo(before).hasSize(5);
  }

  @Test
  void deadLetters_areNotPublished() {
    fixture.append("k", "0");
    fixture.append("k", "poison");
    fixture.append("k", "1");
    Collected collected =
        new Collected()
            .answering(
                message ->
                    Collected.text(message).equals("poison")
                        ? Delivery.rejected("no")
                        : Delivery.delivered());
    fixture.start(keeping(collected).withPoisonPolicy(PoisonPolicy.DEAD_LETTER));
    RelayFixture.await(() -> fixture.isEmpty() && fixture.dead() == 1);
    assertThat(published()).containsExactly("0", "1");
  }

  private List<String> published() {
    return fixture
        .dsl
        .fetch(
            "select convert_from(payload, 'UTF8') from pgbelay.outbox_published"
                + " where destination = ? order by id",
            fixture.number)
        .getValues(0, String.class);
  }

  @Test
  void withoutRetention_whatWasDeliveredIsDeleted() {
    fixture.appendMany(100, 5);
    Collected collected =
        new Collected(10)
            .answering(
                message ->
                    message.attempt() == 1 && Collected.text(message).equals("3")
                        ? Delivery.failed("once")
                        : Delivery.delivered());
    fixture.start(Destination.of(fixture.destination, collected).withRetries(10, SHORT));
    RelayFixture.await(fixture::isEmpty);
    assertThat(rows("outbox_published")).isEmpty();
  }

  /**
   * The acknowledgement's transaction is one message. It is lost on its way to the server, or has
   * been executed and its answer is lost; the relay sends it again and cannot know which.
   */
  @ParameterizedTest
  @EnumSource(Direction.class)
  void acknowledgementOfUnknownOutcome_keepsEachMessageOnce(Direction lost) {
    for (int i = 0; i < 20; i++) {
      fixture.append("k" + i % 3, Integer.toString(i));
    }
    AtomicBoolean once = new AtomicBoolean();
    try (FaultProxy proxy = FaultProxy.inFrontOf(postgres.database().cluster().primary());
        HikariDataSource pool = RelayFixture.pool(proxy.jdbcUrl(postgres.database().name()), 6)) {
      warmUp(pool);
      Collected collected =
          new Collected(20)
              .answering(
                  message -> {
                    if (once.compareAndSet(false, true)) {
                      proxy.freeze(lost);
                    }
                    return Delivery.delivered();
                  });
      OutboxRelay relay =
          fixture.start(
              fixture.relay(Transactions.of(pool), keeping(collected).withConcurrency(1)));
      RelayFixture.await(() -> collected.count() >= 1);
      if (lost == Direction.TO_CLIENT) {
        RelayFixture.await(() -> !published().isEmpty());
      } else {
        RelayFixture.await(() -> pool.getHikariPoolMXBean().getActiveConnections() > 0);
      }
      proxy.dropConnections();
      proxy.heal();
      RelayFixture.await(fixture::isEmpty);
      assertThat(published()).hasSize(20).doesNotHaveDuplicates();
      collected.assertOrdered();
      assertThat(relay.stop(Duration.ofSeconds(10)).isClean()).isTrue();
    }
  }

  /** No connection is opened once the proxy is frozen. */
  private static void warmUp(HikariDataSource pool) {
    List<Connection> all = new ArrayList<>();
    try {
      for (int i = 0; i < pool.getMaximumPoolSize(); i++) {
        all.add(pool.getConnection());
      }
      for (Connection one : all) {
        one.close();
      }
    } catch (SQLException e) {
      throw new IllegalStateException(e);
    }
  }
}

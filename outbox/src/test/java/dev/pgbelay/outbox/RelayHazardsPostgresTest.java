package dev.pgbelay.outbox;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.core.TxOptions;
import dev.pgbelay.outbox.handler.HandlerPublisher;
import dev.pgbelay.outbox.handler.RejectedMessageException;
import dev.pgbelay.outbox.route.Routes;
import dev.pgbelay.testing.PostgresExtension;
import java.sql.Connection;
import java.sql.Statement;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Orders of transactions, times, ids and versions in which relays of other kinds lose messages. */
class RelayHazardsPostgresTest {
  @RegisterExtension
  @Order(1)
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(RelayFixture.SCHEMA);

  @RegisterExtension
  @Order(2)
  static final RelayFixture.Relays relays = new RelayFixture.Relays(postgres);

  private final RelayFixture fixture = new RelayFixture(postgres, relays);
  private final Collected collected = new Collected();

  private void start() {
    fixture.start(Destination.of(fixture.destination, collected));
  }

  private static Connection open() throws Exception {
    Connection connection = postgres.dataSource().getConnection();
    connection.setAutoCommit(false);
    return connection;
  }

  private static void execute(Connection connection, String sql) throws Exception {
    try (Statement statement = connection.createStatement()) {
      statement.execute(sql);
    }
  }

  /** The older transaction waits for the lock of the key and so has the higher id. */
  @Test
  void olderTransactionWithTheHigherId_isDeliveredBehindTheNewerOne() throws Exception {
    ExecutorService waiting = Executors.newSingleThreadExecutor();
    try (Connection older = open();
        Connection newer = open()) {
      execute(older, "select pg_current_xact_id()");
      execute(newer, "select pg_current_xact_id()");
      execute(newer, "select pg_advisory_xact_lock(77)");
      fixture.append(newer, "k", "newer");
      Future<?> behind =
          waiting.submit(
              () -> {
                execute(older, "select pg_advisory_xact_lock(77)");
                fixture.append(older, "k", "older");
                older.commit();
                return null;
              });
      RelayFixture.await(
          () ->
              fixture.count(
                      "select count(*) from pg_locks where locktype = 'advisory' and not granted")
                  == 1);
      start();
      fixture.append("other", "flows");
      RelayFixture.await(() -> collected.count() == 1);
      newer.commit();
      behind.get();
      RelayFixture.await(fixture::isEmpty);
      assertThat(collected.texts("k")).containsExactly("newer", "older");
    } finally {
      waiting.shutdownNow();
    }
  }

  /** Of the times in a row nothing depends: it may be years old, or of the future. */
  @Test
  void messagesOfAnyTime_areDeliveredInTheOrderOfTheirIds() {
    for (int i = 0; i < 6; i++) {
      fixture.append("k", "m" + i);
    }
    fixture.dsl.execute(
        "update pgbelay.outbox_message set appended_at = now() + (case id % 3 when 0 then -3650"
            + " when 1 then 3650 else 0 end) * interval '1 day' where destination = ?",
        fixture.number);
    start();
    RelayFixture.await(fixture::isEmpty);
    assertThat(collected.texts("k")).containsExactly("m0", "m1", "m2", "m3", "m4", "m5");
  }

  /** A transaction that began long before others, by now() as old as can be, is not passed over. */
  @Test
  void messageOfATransactionThatCommitsLongAfterOthers_isFound() throws Exception {
    try (Connection slow = open()) {
      fixture.append(slow, "slow", "late");
      start();
      for (int i = 0; i < 50; i++) {
        fixture.append("fast", "m" + i);
        int count = i + 1;
        RelayFixture.await(() -> collected.count() == count);
      }
      slow.commit();
      RelayFixture.await(() -> collected.count() == 51);
      assertThat(collected.texts("slow")).containsExactly("late");
    }
  }

  @Test
  void idsBehind31And53Bits_goThroughDeliveryFailureAndDeadLetters() {
    Object sequence =
        fixture.dsl.fetchValue(
            "select pg_get_serial_sequence('pgbelay.outbox_message', 'id')::text");
    Object before = fixture.dsl.fetchValue("select last_value from " + sequence);
    for (long from : List.of((1L << 31) - 3, (1L << 53) - 3, Long.MAX_VALUE - 6)) {
      fixture.dsl.execute("select setval(?::regclass, ?)", sequence, from);
      for (int i = 0; i < 6; i++) {
        fixture.append("k" + from, "m" + i);
      }
    }
    Destination to =
        Destination.of(
                fixture.destination,
                collected.answering(
                    message ->
                        message.attempt() == 1 && Collected.text(message).equals("m1")
                            ? Delivery.failed("once")
                            : Collected.text(message).equals("m4")
                                ? Delivery.rejected("never")
                                : Delivery.delivered()))
            .withPoisonPolicy(PoisonPolicy.DEAD_LETTER)
            .withRetries(5, RetryPauses.exponential(Duration.ofMillis(10), Duration.ofMillis(50)));
    OutboxRelay relay = fixture.start(to);
    RelayFixture.await(() -> fixture.isEmpty() && fixture.dead() == 3);
    assertThat(relay.stop(Duration.ofSeconds(10)).isClean()).isTrue();
    for (long from : List.of((1L << 31) - 3, (1L << 53) - 3, Long.MAX_VALUE - 6)) {
      assertThat(collected.texts("k" + from)).containsExactly("m0", "m1", "m2", "m3", "m5");
    }
    assertThat(collected.all().stream().mapToLong(Message::sequence).max().orElseThrow())
        .as("the last id that there is")
        .isEqualTo(Long.MAX_VALUE);
    fixture.dsl.execute("select setval(?::regclass, ?::bigint)", sequence, before);
  }

  /** At its end the identity gives an error and not an id from the beginning. */
  @Test
  void identityAtItsEnd_refusesTheAppendAndDoesNotWrap() {
    Object sequence =
        fixture.dsl.fetchValue(
            "select pg_get_serial_sequence('pgbelay.outbox_message', 'id')::text");
    Object before = fixture.dsl.fetchValue("select last_value from " + sequence);
    fixture.dsl.execute("select setval(?::regclass, ?)", sequence, Long.MAX_VALUE);
    assertThatThrownBy(() -> fixture.append("k", "one too many"))
        .hasStackTraceContaining("reached maximum value of sequence");
    assertThat(fixture.messages()).isZero();
    fixture.dsl.execute("select setval(?::regclass, ?::bigint)", sequence, before);
  }

  /** During a deployment the old version meets what only the new one knows. */
  @Test
  void typeThatTheOldVersionDoesNotKnow_waitsForTheNewOneAndIsNotDropped() {
    String topic = "topic-" + fixture.destination;
    fixture.transactions.execute(tx -> Routes.create().add(tx, topic, fixture.destination));
    Outbox outbox = Outbox.create();
    for (String type : List.of("known", "unknown", "known")) {
      NewMessage message = NewMessage.text(topic, type).withType(type);
      fixture.transactions.execute(tx -> outbox.append(tx, message.withKey("of " + type)));
    }
    List<String> handled = new CopyOnWriteArrayList<>();
    HandlerPublisher old =
        HandlerPublisher.of(
            message -> {
              if (!message.type().orElseThrow().equals("known")) {
                throw new RejectedMessageException("unknown type " + message.type().get());
              }
              handled.add("old");
            });
    OutboxRelay before = fixture.start(Destination.of(fixture.destination, old));
    RelayFixture.await(() -> fixture.held() == 1 && fixture.messages() == 0);
    assertThat(before.stop(Duration.ofSeconds(10)).isClean()).isTrue();
    assertThat(handled).containsExactly("old", "old");
    assertThat(fixture.dead()).isZero();
    fixture.dsl.execute(
        "update pgbelay.outbox_held_key set next_at = now() where destination = ?", fixture.number);
    fixture.start(
        Destination.of(
            fixture.destination,
            HandlerPublisher.of(message -> handled.add(message.type().orElseThrow()))));
    RelayFixture.await(fixture::isEmpty);
    assertThat(handled).endsWith("unknown").hasSize(3);
  }

  /** One of the version before leaves the newer columns of its row as they are. */
  @Test
  void relayOfTheVersionBefore_hasItsShare() {
    fixture.dsl.execute(
        "insert into pgbelay.outbox_relay (claimant, node, expires_at, destinations)"
            + " values (gen_random_uuid(), 'the version before', now() + interval '1 hour',"
            + " array[?])",
        fixture.number);
    start();
    String owned =
        "select count(*) from pgbelay.outbox_lane where destination = ? and claimant is not null";
    RelayFixture.await(() -> fixture.count(owned, fixture.number) == 16);
    fixture.dsl.execute("delete from pgbelay.outbox_relay where node = 'the version before'");
    RelayFixture.await(() -> fixture.count(owned, fixture.number) == 32);
  }

  @Test
  void appendInAReadOnlyTransaction_isRefusedAndNobodyIsTold() {
    String topic = "topic-" + fixture.destination;
    fixture.transactions.execute(tx -> Routes.create().add(tx, topic, fixture.destination));
    Outbox outbox = Outbox.create();
    List<Object> told = new CopyOnWriteArrayList<>();
    outbox.attach(told::add);
    assertThatThrownBy(
            () ->
                fixture.transactions.execute(
                    TxOptions.builder().readOnly(true).build(),
                    tx -> outbox.append(tx, NewMessage.text(topic, "x"))))
        .hasStackTraceContaining("read-only transaction");
    assertThat(told).isEmpty();
    assertThat(fixture.messages()).isZero();
  }
}

package dev.pgbelay.outbox;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.OutcomeUnknownException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.outbox.route.Routes;
import dev.pgbelay.testing.FaultProxy;
import dev.pgbelay.testing.PostgresExtension;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.postgresql.PGConnection;

/** Messages without key that are given to a relay of the process that has committed them. */
class HandOverPostgresTest {
  @RegisterExtension
  @Order(1)
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(RelayFixture.SCHEMA);

  @RegisterExtension
  @Order(2)
  static final RelayFixture.Relays relays = new RelayFixture.Relays(postgres);

  private static final Duration MOMENT = Duration.ofMillis(20);

  private final RelayFixture fixture = new RelayFixture(postgres, relays);
  private final SimpleMeterRegistry registry = new SimpleMeterRegistry();
  private final Outbox outbox = Outbox.create();
  private final Collected collected = new Collected(10);
  private final String topic = "topic-" + fixture.destination;

  @BeforeEach
  void route() {
    fixture.transactions.execute(tx -> Routes.create().add(tx, topic, fixture.destination));
  }

  private NewMessage message(String payload) {
    return NewMessage.text(topic, payload);
  }

  private OutboxRelayBuilder relay(MessagePublisher publisher) {
    return fixture
        .relay(Destination.of(fixture.destination, publisher))
        .meterRegistry(registry)
        .wokenBy(outbox);
  }

  private void start(OutboxRelayBuilder builder) {
    fixture.start(builder);
    RelayFixture.await(() -> registry.get("pgbelay.outbox.lanes").gauge().value() == 32);
  }

  private int handed() {
    return (int) registry.get("pgbelay.outbox.handed").functionCounter().count();
  }

  private void append(String payload) {
    fixture.transactions.execute(tx -> outbox.append(tx, message(payload)));
  }

  /** Whatever was appended before has been delivered or never will be. */
  private void assertDelivered(String... payloads) {
    append("last");
    RelayFixture.await(() -> collected.texts().contains("last") && fixture.isEmpty());
    assertThat(collected.texts()).doesNotHaveDuplicates();
    assertThat(collected.texts().stream().filter(text -> !text.equals("last")))
        .containsExactlyInAnyOrder(payloads);
  }

  @Test
  void message_isDeliveredAndAcknowledgedWithoutALook() {
    fixture.dsl.execute("create role no_look nologin");
    fixture.dsl.execute(
        "grant usage on schema pgbelay to no_look; grant all on all tables in schema pgbelay to"
            + " no_look; grant select on all sequences in schema pgbelay to no_look");
    try (HikariDataSource pool =
        RelayFixture.pool(postgres.jdbcUrl() + "&options=-c%20role=no_look", 4)) {
      OutboxRelay relay =
          fixture.start(
              fixture
                  .relay(Transactions.of(pool), Destination.of(fixture.destination, collected))
                  .meterRegistry(registry)
                  .wokenBy(outbox));
      RelayFixture.await(() -> registry.get("pgbelay.outbox.lanes").gauge().value() == 32);
      fixture.dsl.execute(
          "revoke select on pgbelay.outbox_message from no_look;"
              + " grant select (id, lane, destination, ctid) on pgbelay.outbox_message to no_look");
      fixture.transactions.execute(
          tx -> outbox.append(tx, message("x").withType("mail").withHeader("trace", "7")));
      RelayFixture.await(fixture::isEmpty);
      assertThat(collected.all())
          .singleElement()
          .satisfies(
              one -> {
                assertThat(Collected.text(one)).isEqualTo("x");
                assertThat(one.type()).contains("mail");
                assertThat(one.headers()).containsEntry("trace", "7");
                assertThat(one.key()).isEmpty();
                assertThat(one.attempt()).isEqualTo(1);
                assertThat(one.position().lsn()).isPositive();
                assertThat(one.appendedAt())
                    .isCloseTo(Instant.now(), within(1, ChronoUnit.MINUTES));
              });
      assertThat(handed()).isEqualTo(1);
      relay.stop(Duration.ofSeconds(10)); // before its pool
    }
    fixture.dsl.execute("drop owned by no_look; drop role no_look");
  }

  @Test
  void manyProducersBesideLooks_areDeliveredOnceEach() throws Exception {
    start(relay(collected).pollInterval(Duration.ofMillis(10)));
    List<Thread> producers = new ArrayList<>();
    for (int i = 0; i < 4; i++) {
      String name = "p" + i + "-";
      Thread producer =
          new Thread(
              () -> {
                for (int n = 0; n < 300; n++) {
                  append(name + n);
                  if (n % 10 == 0) {
                    fixture.append("keyed", "k" + name + n);
                  }
                }
              });
      producer.start();
      producers.add(producer);
    }
    for (Thread producer : producers) {
      producer.join();
    }
    RelayFixture.await(fixture::isEmpty);
    assertThat(collected.texts()).doesNotHaveDuplicates().hasSize(4 * 330);
    assertThat(handed()).isPositive();
  }

  /** The producer's thread stands still between its commit and the handing over. */
  private Thread appendAndStop(String payload, CountDownLatch goOn) {
    CountDownLatch committed = new CountDownLatch(1);
    Thread producer =
        new Thread(
            () ->
                fixture.transactions.execute(
                    tx -> {
                      tx.afterCommit(
                          commit -> {
                            committed.countDown();
                            awaitLatch(goOn);
                          });
                      outbox.append(tx, message(payload));
                    }));
    producer.start();
    awaitLatch(committed);
    return producer;
  }

  private static void awaitLatch(CountDownLatch latch) {
    try {
      assertThat(latch.await(60, TimeUnit.SECONDS)).isTrue();
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  @Test
  void messageThatALookHasBroughtAndThatIsGone_isNotDeliveredAgain() throws Exception {
    start(relay(collected).pollInterval(Duration.ofMillis(10)));
    CountDownLatch goOn = new CountDownLatch(1);
    Thread producer = appendAndStop("slow", goOn);
    RelayFixture.await(fixture::isEmpty);
    assertThat(collected.texts()).containsExactly("slow");
    goOn.countDown();
    producer.join();
    assertDelivered("slow");
  }

  @Test
  void laneThatWasGivenBackMeanwhile_isNotDeliveredByItsFormerRelay() throws Exception {
    start(relay(collected).pollInterval(Duration.ofMinutes(1)));
    fixture.transactions.execute(tx -> outbox.append(tx, message("looked").withKey("k")));
    RelayFixture.await(fixture::isEmpty);
    CountDownLatch goOn = new CountDownLatch(1);
    List<Thread> producers = new ArrayList<>();
    for (int i = 0; i < 20; i++) {
      producers.add(appendAndStop("m" + i, goOn));
    }
    Collected other = new Collected(10);
    fixture.start(Destination.of(fixture.destination, other));
    RelayFixture.await(() -> registry.get("pgbelay.outbox.lanes").gauge().value() == 16);
    RelayFixture.await(
        () ->
            fixture.count(
                    "select count(*) from pgbelay.outbox_message as m join pgbelay.outbox_lane as l"
                        + " using (destination, lane) join pgbelay.outbox_lane as k"
                        + " on k.destination = m.destination and k.lane = 31"
                        + " where m.destination = ? and l.claimant is distinct from k.claimant",
                    fixture.number)
                == 0);
    goOn.countDown();
    for (Thread producer : producers) {
      producer.join();
    }
    RelayFixture.await(fixture::isEmpty);
    List<String> all = new ArrayList<>(collected.texts());
    all.addAll(other.texts());
    assertThat(all).doesNotHaveDuplicates().hasSize(21);
  }

  @Test
  void rollbackToASavepointBySqlText_takesTheMessageAway() throws SQLException {
    start(relay(collected).pollInterval(Duration.ofMillis(10)));
    fixture.transactions.execute(
        tx -> {
          tx.dsl().execute("savepoint s");
          outbox.append(tx, message("taken back"));
          tx.dsl().execute("rollback to savepoint s");
        });
    fixture.transactions.execute(
        tx -> {
          try (Statement driver = driver(tx).createStatement()) {
            driver.execute("savepoint s");
            outbox.append(tx, message("taken back unseen"));
            driver.execute("rollback to savepoint s");
          }
        });
    assertDelivered();
  }

  private static Connection driver(Tx tx) throws SQLException {
    return (Connection) tx.connection().unwrap(PGConnection.class);
  }

  @Test
  void savepointBehindTheAppend_doesNotTakeItAway() {
    start(relay(collected).pollInterval(Duration.ofMinutes(1)));
    fixture.transactions.execute(
        tx -> {
          outbox.append(tx, message("stays"));
          tx.dsl().execute("savepoint s");
          tx.dsl().execute("rollback to savepoint s");
        });
    assertDelivered("stays");
    assertThat(handed()).isEqualTo(2);
  }

  @Test
  void savepointsOfJooq_areDeliveredIfTheyWereReleased() {
    start(relay(collected).pollInterval(Duration.ofMillis(10)));
    fixture.transactions.execute(
        tx -> {
          tx.dsl().transaction(nested -> outbox.append(Tx.join(nested.dsl()), message("released")));
          assertThatThrownBy(
                  () ->
                      tx.dsl()
                          .transaction(
                              nested -> {
                                outbox.append(Tx.join(nested.dsl()), message("rolled back"));
                                throw new IllegalStateException("back");
                              }))
              .hasMessageContaining("back");
        });
    assertDelivered("released");
    assertThat(handed()).as("only the last one").isEqualTo(1);
  }

  @Test
  void transactionThatWasExchangedUnseen_handsNothingOver() throws SQLException {
    start(relay(collected).pollInterval(Duration.ofMillis(10)));
    fixture.transactions.execute(
        tx -> {
          try (Statement driver = driver(tx).createStatement()) {
            outbox.append(tx, message("of another transaction"));
            driver.execute("rollback; begin; create temporary table any_change (n int)");
          }
        });
    assertDelivered();
  }

  @Test
  void rolledBackTransaction_handsNothingOver() {
    start(relay(collected).pollInterval(Duration.ofMillis(10)));
    assertThatThrownBy(
            () ->
                fixture.transactions.execute(
                    tx -> {
                      outbox.append(tx, message("rolled back"));
                      throw new IllegalStateException("back");
                    }))
        .hasMessageContaining("back");
    assertDelivered();
  }

  @Test
  void joinedTransaction_wakesTheRelayAndIsFoundByALook() throws Exception {
    start(relay(collected).pollInterval(Duration.ofMinutes(1)));
    List<Runnable> hooks = new ArrayList<>();
    try (Connection connection = postgres.dataSource().getConnection()) {
      connection.setAutoCommit(false);
      outbox.append(Tx.join(connection, hooks::add), message("joined"));
      try (Statement statement = connection.createStatement()) {
        statement.execute("savepoint s");
        outbox.append(Tx.join(connection, hooks::add), message("rolled back"));
        statement.execute("rollback to savepoint s");
      }
      connection.commit();
      connection.setAutoCommit(true);
    }
    hooks.forEach(Runnable::run);
    RelayFixture.await(fixture::isEmpty);
    assertThat(collected.texts()).containsExactly("joined");
    assertThat(handed()).isZero();
  }

  @Test
  void commitThatIsCut_isDeliveredOnceIfItHappened() {
    start(relay(collected).pollInterval(Duration.ofMillis(10)));
    try (FaultProxy proxy = FaultProxy.inFrontOf(postgres.database().cluster().primary());
        HikariDataSource pool = RelayFixture.pool(proxy.jdbcUrl(postgres.database().name()), 2)) {
      Transactions cut = Transactions.of(pool);
      cut.execute(tx -> tx.dsl().execute("select 1"));
      proxy.cutBeforeCommit(1);
      assertThatThrownBy(() -> cut.execute(tx -> outbox.append(tx, message("before"))))
          .isInstanceOf(OutcomeUnknownException.class);
      cut.execute(tx -> tx.dsl().execute("select 1"));
      proxy.cutAfterCommit(1);
      assertThatThrownBy(() -> cut.execute(tx -> outbox.append(tx, message("after"))))
          .isInstanceOf(OutcomeUnknownException.class);
      assertDelivered("after");
    }
  }

  @Test
  void memory_staysBounded_andTheRestIsFoundByLooks() {
    CountDownLatch open = new CountDownLatch(1);
    collected.answering(
        message -> {
          awaitLatch(open);
          return Delivery.delivered();
        });
    start(relay(collected).pollInterval(Duration.ofMillis(10)).window(100, 1L << 20));
    for (int i = 0; i < 300; i++) {
      append("m" + i);
      assertThat(registry.get("pgbelay.outbox.buffered").gauge().value()).isLessThanOrEqualTo(100);
    }
    assertThat(handed()).isBetween(1, 100);
    open.countDown();
    RelayFixture.await(fixture::isEmpty);
    assertThat(collected.texts()).doesNotHaveDuplicates().hasSize(300);
  }

  @Test
  void keyedAndLargeMessages_areFoundByALook() {
    start(relay(collected).pollInterval(Duration.ofMinutes(1)));
    fixture.transactions.execute(
        tx -> {
          outbox.append(tx, message("keyed").withKey("k"));
          outbox.append(tx, message("x".repeat(5_000)));
        });
    RelayFixture.await(fixture::isEmpty);
    assertThat(collected.texts()).containsExactlyInAnyOrder("keyed", "x".repeat(5_000));
    assertThat(handed()).isZero();
  }

  @Test
  void messageThatFails_isHeldAndTriedAgain() {
    collected.answering(
        message -> message.attempt() == 1 ? Delivery.failed("not yet") : Delivery.delivered());
    start(
        fixture
            .relay(
                Destination.of(fixture.destination, collected)
                    .withRetries(10, RetryPauses.exponential(MOMENT, MOMENT)))
            .meterRegistry(registry)
            .wokenBy(outbox));
    append("x");
    RelayFixture.await(() -> fixture.isEmpty() && collected.count() == 1);
    assertThat(collected.all().get(0).attempt()).isEqualTo(2);
  }
}

package dev.pgbelay.kafka;

import static org.assertj.core.api.Assertions.assertThat;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.kafka.StormChecker.Rule;
import dev.pgbelay.outbox.Delivery;
import dev.pgbelay.outbox.Destination;
import dev.pgbelay.outbox.Message;
import dev.pgbelay.outbox.MessagePublisher;
import dev.pgbelay.outbox.NewMessage;
import dev.pgbelay.outbox.Outbox;
import dev.pgbelay.outbox.OutboxRelay;
import dev.pgbelay.outbox.OutboxRelayBuilder;
import dev.pgbelay.outbox.RetryPauses;
import dev.pgbelay.outbox.UnfencedRelay;
import dev.pgbelay.testing.PostgresCluster;
import dev.pgbelay.testing.PostgresDatabase;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import javax.sql.DataSource;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What the storm's checker says where one of the means is taken away that the storm relies on, in
 * schedules that are forced; and that it says nothing where it is not.
 */
@Timeout(180)
class StormHarmTest {
  private static final AtomicInteger NUMBERS = new AtomicInteger();
  private static final String LANES = "outbox-lanes";
  private static KafkaBroker broker;
  private static PostgresCluster cluster;

  @TempDir Path folder;
  private final String topic = "harm-" + NUMBERS.incrementAndGet();
  private final Outbox outbox = Outbox.create();
  private final List<AutoCloseable> closed = new ArrayList<>();
  private PostgresDatabase database;
  private HikariDataSource pool;
  private HikariDataSource heartbeats;
  private StormTables tables;
  private Transactions transactions;

  @BeforeAll
  static void start() throws Exception {
    broker = KafkaBroker.shared();
    cluster = PostgresCluster.builder().serverConfig("track_commit_timestamp", "on").start();
  }

  @AfterAll
  static void stop() throws Exception {
    cluster.close();
  }

  @BeforeEach
  void install() throws Exception {
    broker.createTopic(topic, 2, Map.of());
    database = cluster.createDatabase("harm");
    pool = StormTables.pool(database.jdbcUrl(), 10);
    heartbeats = StormTables.pool(database.jdbcUrl(), 4);
    tables = StormTables.install(pool, 10);
    transactions = Transactions.of(pool);
  }

  @AfterEach
  void closeAll() throws Exception {
    for (int i = closed.size() - 1; i >= 0; i--) {
      closed.get(i).close();
    }
    pool.close();
    heartbeats.close();
    database.close();
  }

  private OutboxRelayBuilder relay(Transactions on, String node, MessagePublisher publisher)
      throws Exception {
    return relay(on, heartbeats, node, publisher);
  }

  private OutboxRelayBuilder relay(
      Transactions on, DataSource ofHeartbeats, String node, MessagePublisher publisher)
      throws Exception {
    StormAnswers answers = new StormAnswers(publisher, folder, node);
    return OutboxRelay.builder(on, ofHeartbeats)
        .name(node)
        .node(node)
        .lease(Duration.ofHours(1))
        .pollInterval(Duration.ofMillis(20))
        .deliver(
            Destination.of("kafka", answers)
                .withRetries(
                    100, RetryPauses.exponential(Duration.ofMillis(20), Duration.ofMillis(100))));
  }

  private OutboxRelay started(OutboxRelayBuilder builder) {
    OutboxRelay relay = builder.build();
    closed.add(() -> relay.stop(Duration.ZERO));
    relay.start();
    return relay;
  }

  private KafkaPublisher kafka() {
    KafkaPublisher publisher =
        KafkaPublisher.builder(Map.of("bootstrap.servers", broker.bootstrap()))
            .topic(message -> topic)
            .build();
    closed.add(publisher);
    return publisher;
  }

  private static NewMessage message(String key) {
    return NewMessage.text(StormTables.TOPIC, "x").withKey(key);
  }

  private void append(String key) {
    transactions.execute(
        tx -> {
          long version = StormTables.lockAggregate(tx, key);
          String id = outbox.append(tx, message(key)).messageId();
          StormTables.commits(tx, List.of(id), key, version);
        });
  }

  private interface Check {
    boolean holds() throws Exception;
  }

  private static void await(Check check) {
    Awaitility.await()
        .atMost(Duration.ofMinutes(1))
        .pollInterval(Duration.ofMillis(10))
        .ignoreExceptions()
        .until(check::holds);
  }

  private static void await(String what, CountDownLatch latch) throws InterruptedException {
    assertThat(latch.await(1, TimeUnit.MINUTES)).as(what).isTrue();
  }

  private boolean isEmpty() {
    return tables.left().entrySet().stream()
        .filter(one -> !one.getKey().equals("outbox_relay") && !one.getKey().equals("outbox_lane"))
        .allMatch(one -> one.getValue() == 0);
  }

  private void stopCleanly(OutboxRelay relay, String node) throws Exception {
    assertThat(relay.stop(Duration.ofSeconds(30)).isClean()).isTrue();
    Files.createFile(folder.resolve(node + StormProcess.CLEAN));
  }

  private void consume(boolean withInbox) throws Exception {
    int before = tables.effects();
    int records = broker.read(topic).size();
    try (StormConsumer consumer = new StormConsumer(pool, broker.bootstrap(), topic, withInbox)) {
      Thread thread =
          new Thread(
              () -> {
                try {
                  consumer.run();
                } catch (InterruptedException e) {
                  Thread.currentThread().interrupt();
                }
              });
      thread.start();
      await(() -> consumer.processed() >= records);
      consumer.stop();
      thread.join();
    }
    assertThat(tables.effects()).isGreaterThan(before);
  }

  private StormHistory history() throws Exception {
    return tables.history(broker, topic, folder, List.of());
  }

  /**
   * Ids are drawn in one order and committed in the other, before a relay looks: it delivers in the
   * order of the ids. Producers that append strictly cannot come into that situation.
   */
  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void producersThatNeitherLockNorAppendStrictly_breakTheOrderOfCommits(boolean strict)
      throws Exception {
    CountDownLatch commitFirst = new CountDownLatch(1);
    CountDownLatch appended = new CountDownLatch(1);
    Thread first = new Thread(() -> appendUnlocked(strict, appended, commitFirst));
    Thread second =
        new Thread(() -> appendUnlocked(strict, new CountDownLatch(1), new CountDownLatch(0)));
    first.start();
    await("the first id is drawn", appended);
    second.start();
    if (strict) {
      await(
          () ->
              tables.count(
                      "select count(*) from pg_locks where locktype = 'advisory' and not granted"
                          + " and database ="
                          + " (select oid from pg_database where datname = current_database())")
                  == 1);
    } else {
      second.join();
    }
    commitFirst.countDown();
    first.join();
    second.join();
    OutboxRelay relay = started(relay(transactions, "one", kafka()));
    await(this::isEmpty);
    stopCleanly(relay, "one");
    consume(true);
    if (strict) {
      assertThat(StormChecker.judge(history()).findings()).isEmpty();
    } else {
      assertThat(StormChecker.judge(history()).broken())
          .containsExactlyInAnyOrder(Rule.ORDER, Rule.EFFECT_ORDER);
    }
  }

  private void appendUnlocked(boolean strict, CountDownLatch appended, CountDownLatch commit) {
    try {
      transactions.execute(
          tx -> {
            NewMessage one = message("s1");
            String id = outbox.append(tx, strict ? one.withStrictOrder() : one).messageId();
            StormTables.commits(tx, List.of(id), "s1", null);
            appended.countDown();
            commit.await();
          });
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  /** Fails its first call once it is told to, as one does whose process had been stopped. */
  private static final class Stalled implements MessagePublisher {
    private final CountDownLatch called = new CountDownLatch(1);
    private final CountDownLatch fail = new CountDownLatch(1);

    @Override
    public List<Delivery> publish(List<Message> messages) throws InterruptedException {
      called.countDown();
      fail.await();
      return messages.stream().map(one -> Delivery.failed("after the lease")).toList();
    }
  }

  /** Waits before it sends anything. */
  private record Gated(MessagePublisher publisher, CountDownLatch called, CountDownLatch go)
      implements MessagePublisher {
    @Override
    public List<Delivery> publish(List<Message> messages) throws InterruptedException {
      called.countDown();
      go.await();
      return publisher.publish(messages);
    }
  }

  /**
   * A relay that was given up hears that its delivery has failed, while its successor delivers the
   * same message. Without the fence it takes the message away from under the successor and holds
   * it, so that it is delivered once more although nothing had happened to the successor.
   */
  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void relayThatWritesAfterItWasGivenUp_causesRepeatsThatNothingExplains(boolean fenced)
      throws Exception {
    append("a1");
    SimpleMeterRegistry meters = new SimpleMeterRegistry();
    Stalled stalled = new Stalled();
    // So that it does not find out in any other way than by its fence.
    Transactions ofFirst =
        Transactions.builder(pool).bulkhead(LANES, 1, Duration.ofMillis(10)).build();
    // Nor does a heartbeat come in late and take back that it was not heard of.
    HikariDataSource silent = StormTables.pool(database.jdbcUrl(), 1);
    silent.close();
    OutboxRelayBuilder builder = relay(ofFirst, silent, "one", stalled).meterRegistry(meters);
    started(fenced ? builder : UnfencedRelay.unfenced(builder));
    await("the first relay delivers", stalled.called);
    CountDownLatch lanesGo = new CountDownLatch(1);
    CountDownLatch lanesStand = new CountDownLatch(1);
    Thread lanes = new Thread(() -> standInTheWay(ofFirst, lanesStand, lanesGo));
    lanes.start();
    await("no pass of the first relay's lanes is under way", lanesStand);
    try {
      tables
          .dsl()
          .execute("update pgbelay.outbox_relay set expires_at = now() - interval '1 minute'");
      Gated gated = new Gated(kafka(), new CountDownLatch(1), new CountDownLatch(1));
      OutboxRelay second = started(relay(transactions, "two", gated));
      await("the second relay delivers", gated.called);
      append("a1");
      stalled.fail.countDown();
      await(
          () ->
              tables.count("select count(*) from pgbelay.outbox_held") > 0
                  || meters.get("pgbelay.outbox.relay.lost").counter().count() > 0);
      gated.go.countDown();
      await(this::isEmpty);
      stopCleanly(second, "two");
    } finally {
      lanesGo.countDown();
      lanes.join();
    }
    consume(true);
    StormChecker.Verdict verdict = StormChecker.judge(withoutTheFirst(history()));
    if (fenced) {
      assertThat(verdict.findings()).isEmpty();
    } else {
      assertThat(verdict.broken()).containsExactly(Rule.REPEATED_WITHOUT_CAUSE);
    }
  }

  private static void standInTheWay(
      Transactions transactions, CountDownLatch stands, CountDownLatch go) {
    while (stands.getCount() > 0) {
      try {
        transactions.execute(
            TxOptions.forPath(LANES),
            tx -> {
              stands.countDown();
              go.await();
            });
      } catch (RuntimeException | InterruptedException e) {
        // A pass of its own was under way.
      }
    }
  }

  /** The first relay, which may have come again at the end, is not what is judged. */
  private static StormHistory withoutTheFirst(StormHistory history) {
    history.left().remove("outbox_relay");
    history.left().remove("outbox_lane");
    return history;
  }

  /** Given up between the broker's answer and its own acknowledgement. */
  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void consumerWithoutInbox_hasTwoEffectsOfARepeat(boolean withInbox) throws Exception {
    append("a1");
    append("a2");
    CountDownLatch called = new CountDownLatch(1);
    CountDownLatch go = new CountDownLatch(1);
    OutboxRelay relay = started(relay(transactions, "one", new Gated(kafka(), called, go)));
    await("the relay delivers", called);
    try (Connection holder = database.connect()) {
      holder.setAutoCommit(false);
      try (var statement = holder.createStatement()) {
        statement.execute("select from pgbelay.outbox_relay for update");
        go.countDown();
        await(() -> broker.read(topic).size() == 2);
        await(
            () ->
                tables.count(
                        "select count(*) from pg_stat_activity where wait_event_type = 'Lock'"
                            + " and query like '%outbox_message%'"
                            + " and datname = current_database()")
                    > 0);
        statement.execute(
            "update pgbelay.outbox_relay set expires_at = now() - interval '1 minute'");
        statement.execute("delete from pgbelay.outbox_relay");
      }
      holder.commit();
    }
    await(this::isEmpty);
    stopCleanly(relay, "one");
    consume(withInbox);
    StormHistory history = history();
    StormChecker.Verdict verdict = StormChecker.judge(history);
    assertThat(history.records()).hasSize(4);
    assertThat(verdict.causes()).isEqualTo(Map.of("relay given up (EXPIRED)", 2));
    if (withInbox) {
      assertThat(verdict.findings()).isEmpty();
    } else {
      assertThat(verdict.broken()).containsExactly(Rule.EFFECT_TWICE);
    }
  }

  /** As if one had been lost on its way, or had left although it was rolled back. */
  @Test
  void messageTakenOutOfTheHistory_isMissed() throws Exception {
    append("a1");
    append("a1");
    OutboxRelay relay = started(relay(transactions, "one", kafka()));
    await(this::isEmpty);
    stopCleanly(relay, "one");
    consume(true);
    StormHistory history = history();
    assertThat(StormChecker.judge(history).findings()).isEmpty();
    history.write(folder.resolve("history"));
    List<String> lines = new ArrayList<>(Files.readAllLines(folder.resolve("history")));
    String record = lines.stream().filter(line -> line.startsWith("D ")).findFirst().orElseThrow();
    lines.remove(record);
    assertThat(StormChecker.judge(StormHistory.parse(lines)).broken()).containsExactly(Rule.LOST);
    lines.add(record);
    String last =
        lines.stream().filter(line -> line.startsWith("C ")).reduce((a, b) -> b).orElseThrow();
    lines.remove(last);
    assertThat(StormChecker.judge(StormHistory.parse(lines)).broken())
        .containsExactly(Rule.INVENTED);
  }
}

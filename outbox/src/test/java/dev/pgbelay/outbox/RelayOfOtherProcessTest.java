package dev.pgbelay.outbox;

import static org.assertj.core.api.Assertions.assertThat;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.wakeup.WakeUps;
import dev.pgbelay.outbox.route.Routes;
import dev.pgbelay.testing.FaultProxy;
import dev.pgbelay.testing.PgBouncer;
import dev.pgbelay.testing.PostgresExtension;
import io.micrometer.core.instrument.Timer;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicLong;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.postgresql.PGConnection;
import org.postgresql.PGNotification;

/**
 * A relay and producers that share nothing but the database: each has pools and wake-ups of its
 * own, as two processes have.
 */
class RelayOfOtherProcessTest {
  @RegisterExtension
  @Order(1)
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(RelayFixture.SCHEMA);

  @RegisterExtension
  @Order(2)
  static final RelayFixture.Relays relays = new RelayFixture.Relays(postgres);

  private final RelayFixture fixture = new RelayFixture(postgres, relays);
  private final String topic = "topic-" + fixture.destination;
  private final Collected collected = new Collected();
  private final SimpleMeterRegistry meters = new SimpleMeterRegistry();
  private final List<AutoCloseable> opened = new ArrayList<>();

  @AfterEach
  void close() throws Exception {
    for (int i = opened.size() - 1; i >= 0; i--) {
      opened.get(i).close();
    }
  }

  private HikariDataSource pool(String url, int size) {
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(url);
    config.setMaximumPoolSize(size);
    config.setMinimumIdle(0);
    config.setConnectionTimeout(2_000);
    config.setInitializationFailTimeout(-1);
    config.addDataSourceProperty("socketTimeout", "2");
    HikariDataSource pool = new HikariDataSource(config);
    opened.add(pool);
    return pool;
  }

  private WakeUps wakeUps(String url) {
    WakeUps wakeUps =
        WakeUps.builder(pool(url, 2))
            .channel("c" + fixture.destination)
            .probeInterval(Duration.ofMillis(100))
            .probeTimeout(Duration.ofSeconds(1))
            .build();
    opened.add(wakeUps);
    wakeUps.start();
    RelayFixture.await(wakeUps::isHealthy);
    return wakeUps;
  }

  private Outbox outbox(WakeUps announcing) {
    return Outbox.builder().announcedBy(announcing).build();
  }

  /** It looks when it is told to, and polls never. */
  private void startSleepy(WakeUps listening) {
    fixture.transactions.execute(tx -> Routes.create().add(tx, topic, fixture.destination));
    fixture.start(
        fixture
            .relay(Destination.of(fixture.destination, collected))
            .pollsNever()
            .meterRegistry(meters)
            .wokenBy(listening));
    RelayFixture.await(
        () ->
            fixture.count(
                    "select count(*) from pgbelay.outbox_lane"
                        + " where destination = ? and claimant is not null",
                    fixture.number)
                == 32);
  }

  private long looks() {
    return meters.find("pgbelay.background.pass").timers().stream()
        .filter(timer -> String.valueOf(timer.getId().getTag("name")).endsWith("-look-1"))
        .mapToLong(Timer::count)
        .sum();
  }

  /** Until the looks that its lanes have caused are over; they find nothing. */
  private void awaitAsleep() {
    AtomicLong before = new AtomicLong();
    Awaitility.await()
        .pollInterval(Duration.ofMillis(300))
        .until(() -> looks() > 0 && before.getAndSet(looks()) == looks());
  }

  private void append(Transactions producer, Outbox outbox, String payload) {
    producer.execute(tx -> outbox.append(tx, NewMessage.text(topic, payload).withKey("k")));
  }

  @Test
  void commitOfAnotherProcess_isDeliveredWithoutAPoll() {
    WakeUps there = wakeUps(postgres.jdbcUrl());
    startSleepy(wakeUps(postgres.jdbcUrl()));
    Transactions producer = Transactions.of(pool(postgres.jdbcUrl(), 2));
    Outbox outbox = outbox(there);
    awaitAsleep();
    append(producer, outbox, "1");
    RelayFixture.await(() -> collected.count() == 1);
    append(producer, outbox, "2");
    RelayFixture.await(() -> collected.count() == 2);
    assertThat(collected.texts("k")).containsExactly("1", "2");
  }

  /**
   * While its connection is silent nobody tells the relay anything; it is noticed, and what was
   * committed meanwhile is looked for as soon as the connection is replaced.
   */
  @Test
  void listenerThatFallsSilent_isReplacedAndTheRelayLooksAtOnce() throws Exception {
    try (FaultProxy proxy = FaultProxy.inFrontOf(postgres.database().cluster().primary())) {
      WakeUps listening = wakeUps(proxy.jdbcUrl(postgres.database().name()));
      WakeUps there = wakeUps(postgres.jdbcUrl());
      startSleepy(listening);
      Transactions producer = Transactions.of(pool(postgres.jdbcUrl(), 2));
      append(producer, outbox(there), "before");
      RelayFixture.await(() -> collected.count() == 1);
      awaitAsleep();
      proxy.freeze();
      append(producer, outbox(there), "while it is silent");
      RelayFixture.await(() -> !listening.isHealthy());
      assertThat(collected.count()).isEqualTo(1);
      proxy.dropConnections();
      proxy.thaw();
      RelayFixture.await(() -> collected.count() == 2);
      RelayFixture.await(listening::isHealthy);
      append(producer, outbox(there), "after");
      RelayFixture.await(() -> collected.count() == 3);
      assertThat(collected.texts("k")).containsExactly("before", "while it is silent", "after");
    }
  }

  /** Commits are not notifications: what comes close together is told once. */
  @Test
  void commitsBesideAStuckListener_leaveTheServersQueueEmpty() throws Exception {
    int commits = "full".equals(System.getProperty("pgbelay.scale")) ? 10_000 : 2_000;
    WakeUps there = wakeUps(postgres.jdbcUrl());
    startSleepy(there);
    try (Connection stuck = postgres.database().connect();
        Statement statement = stuck.createStatement()) {
      statement.execute("listen pgbelay_c" + fixture.destination);
      stuck.setAutoCommit(false);
      statement.execute("select 1"); // in a transaction it is told nothing, and all is kept for it
      Outbox outbox = outbox(there);
      ExecutorService producers = Executors.newFixedThreadPool(4);
      List<Future<?>> all = new ArrayList<>();
      for (int p = 0; p < 4; p++) {
        HikariDataSource pool = pool(postgres.jdbcUrl(), 1);
        all.add(
            producers.submit(
                () -> {
                  Transactions own = Transactions.of(pool);
                  for (int i = 0; i < commits / 4; i++) {
                    append(own, outbox, "x");
                  }
                }));
      }
      for (Future<?> one : all) {
        one.get();
      }
      producers.shutdown();
      RelayFixture.await(() -> collected.count() == commits);
      try (ResultSet row =
          statement.executeQuery("select pg_notification_queue_usage() * 1e6 as millionth")) {
        row.next();
        System.out.println("queue of notifications, millionth in use: " + row.getDouble(1));
        assertThat(row.getDouble(1)).isLessThan(100);
      }
      stuck.rollback();
      statement.execute("select 1");
      PGNotification[] kept = stuck.unwrap(PGConnection.class).getNotifications(10_000);
      assertThat(kept).as("kept for it").isNotEmpty().hasSizeLessThan(commits / 5);
    }
  }

  /** In transaction mode, with fewer sessions than the relay has connections. */
  @Test
  void behindAPooler_nothingIsLostAndOrderIsKept() {
    fixture.appendMany(2_000, 20);
    try (PgBouncer bouncer = PgBouncer.inFrontOf(postgres.database().cluster().primary(), 2)) {
      String url = bouncer.jdbcUrl(postgres.database().name()) + "&prepareThreshold=0";
      HikariDataSource pool = pool(url, 8);
      OutboxRelay relay =
          OutboxRelay.builder(Transactions.of(pool), pool(url, 1))
              .name("behind-a-pooler")
              .pollInterval(Duration.ofMillis(20))
              .deliver(Destination.of(fixture.destination, collected).withConcurrency(4))
              .build();
      relay.start();
      RelayFixture.await(fixture::isEmpty);
      assertThat(relay.stop(Duration.ofSeconds(10)).isClean()).isTrue();
    }
    assertThat(collected.count()).isEqualTo(2_000);
    collected.assertOrdered();
  }

  /**
   * The relay's own connections fall silent past its lease. Another one takes over; what the first
   * one wrote, and what it had in memory, changes nothing when it hears again.
   */
  @Test
  void relayWhoseConnectionsFallSilentPastItsLease_isReplacedAndBeginsAnew() throws Exception {
    fixture.appendMany(1_000, 20);
    try (FaultProxy proxy = FaultProxy.inFrontOf(postgres.database().cluster().primary())) {
      String url = proxy.jdbcUrl(postgres.database().name());
      OutboxRelay silent =
          OutboxRelay.builder(Transactions.of(pool(url, 4)), pool(url, 1))
              .name("silent")
              .lease(Duration.ofSeconds(1))
              .pollInterval(Duration.ofMillis(20))
              .deliver(
                  Destination.of(
                      fixture.destination,
                      collected.answering(
                          message -> {
                            if (message.sequence() % 100 == 0) {
                              Thread.sleep(2);
                            }
                            return Delivery.delivered();
                          })))
              .build();
      try {
        silent.start();
        RelayFixture.await(() -> collected.count() > 200);
        proxy.freeze();
        fixture.start(
            fixture
                .relay(Destination.of(fixture.destination, collected))
                .lease(Duration.ofSeconds(1)));
        RelayFixture.await(fixture::isEmpty);
        proxy.thaw();
        fixture.appendMany(200, 20);
        RelayFixture.await(fixture::isEmpty);
        RelayFixture.await(
            () ->
                fixture.count(
                        "select count(distinct claimant) from pgbelay.outbox_lane"
                            + " where destination = ?",
                        fixture.number)
                    == 2);
        fixture.appendMany(200, 20);
        RelayFixture.await(fixture::isEmpty);
        assertThat(silent.stop(Duration.ofSeconds(10)).isClean()).isTrue();
      } finally {
        silent.stop(Duration.ZERO);
      }
    }
    collected
        .firsts(Message::sequence)
        .forEach((key, ids) -> assertThat(ids).as("first deliveries of %s", key).isSorted());
    assertThat(collected.all().stream().map(Message::sequence).distinct().count()).isEqualTo(1_400);
  }
}

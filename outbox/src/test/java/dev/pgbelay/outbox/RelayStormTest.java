package dev.pgbelay.outbox;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.testing.PostgresExtension;
import java.sql.Connection;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/**
 * Producers that hold the lock of their key, relays that come, go and are given up, publishers that
 * fail at random: nothing is lost, and first deliveries of each key are in order.
 */
class RelayStormTest {
  private static final boolean FULL = "full".equals(System.getProperty("pgbelay.scale"));
  private static final int PRODUCERS = 4;
  private static final int KEYS = 25;
  private static final int APPENDS = FULL ? 20_000 : 600;

  @RegisterExtension
  @Order(1)
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(RelayFixture.SCHEMA);

  @RegisterExtension
  @Order(2)
  static final RelayFixture.Relays relays = new RelayFixture.Relays(postgres);

  private final RelayFixture fixture = new RelayFixture(postgres, relays);
  private final AtomicReference<Throwable> broken = new AtomicReference<>();

  /** By key: what was committed, in the order of commits. */
  private final Map<String, List<Long>> committed = new ConcurrentHashMap<>();

  private void produce(long seed) {
    Random random = new Random(seed);
    try (Connection connection = postgres.dataSource().getConnection()) {
      connection.setAutoCommit(false);
      for (int i = 0; i < APPENDS; i++) {
        String key = "k" + random.nextInt(KEYS);
        List<Long> ids = new ArrayList<>();
        try (var lock = connection.prepareStatement("select pg_advisory_xact_lock(?)")) {
          lock.setLong(1, key.hashCode() + 1_000_000L * fixture.number);
          lock.execute();
        }
        for (int n = random.nextInt(3); n >= 0; n--) {
          ids.add(fixture.append(connection, key, "x"));
        }
        List<Long> ofKey = committed.computeIfAbsent(key, absent -> new ArrayList<>());
        if (random.nextInt(10) == 0) {
          connection.rollback();
        } else {
          // The lock of the key is held: nobody else adds to the list.
          int before = ofKey.size();
          ofKey.addAll(ids);
          assertThat(before).isLessThan(ofKey.size());
          connection.commit();
        }
      }
    } catch (Throwable e) {
      broken.compareAndSet(null, e);
    }
  }

  @Test
  void storm_losesNothingAndKeepsTheOrder() throws Exception {
    long seed = Long.getLong("pgbelay.seed", System.nanoTime());
    System.out.println("RelayStormTest: -Dpgbelay.seed=" + seed);
    Random random = new Random(seed);
    Random failing = new Random(seed + 1);
    Collected collected =
        new Collected(4)
            .answering(
                message -> {
                  int dice;
                  synchronized (failing) {
                    dice = failing.nextInt(200);
                  }
                  if (dice == 0) {
                    throw new IllegalStateException("at random");
                  }
                  return dice < 6 ? Delivery.failed("at random") : Delivery.delivered();
                });
    Destination to =
        Destination.of(fixture.destination, collected)
            .withConcurrency(3)
            .withMostFailingKeys(1_000)
            .withRetries(50, RetryPauses.exponential(Duration.ofMillis(10), Duration.ofMillis(50)));
    List<Thread> producers = new ArrayList<>();
    for (int i = 0; i < PRODUCERS; i++) {
      long own = seed + 10 + i;
      Thread producer = new Thread(() -> produce(own));
      producers.add(producer);
      producer.start();
    }
    List<OutboxRelay> running = new ArrayList<>();
    boolean producing = true;
    Transactions transactions = fixture.transactions;
    int abandoned = 0;
    while (producing) {
      producing = producers.stream().anyMatch(Thread::isAlive);
      int dice = random.nextInt(10);
      if (running.isEmpty() || (dice < 3 && running.size() < 3)) {
        running.add(fixture.start(fixture.relay(transactions, to).lease(Duration.ofSeconds(3))));
      } else if (dice < 5) {
        assertThat(running.remove(random.nextInt(running.size())).stop(Duration.ofSeconds(30)))
            .isNotNull();
      } else if (dice < 7) {
        // As if all of them had been stopped past their leases.
        fixture.dsl.execute(
            "delete from pgbelay.outbox_relay where ? = any (destinations)", fixture.number);
        abandoned++;
      }
      int before = collected.count();
      long until = System.nanoTime() + Duration.ofMillis(200).toNanos();
      while (collected.count() < before + 100 && System.nanoTime() < until) {
        Thread.onSpinWait();
        Thread.sleep(5);
      }
    }
    if (running.isEmpty()) {
      running.add(fixture.start(to));
    }
    RelayFixture.await(fixture::isEmpty);
    assertThat(broken.get()).isNull();
    Map<String, List<Long>> first = collected.firsts(Message::sequence);
    committed.forEach(
        (key, ids) -> {
          if (!ids.isEmpty()) {
            assertThat(first.getOrDefault(key, List.of()))
                .as("%s, seed %d", key, seed)
                .isEqualTo(ids);
          }
        });
    System.out.println(
        "RelayStormTest: " + collected.count() + " deliveries, given up " + abandoned + " times");
  }
}

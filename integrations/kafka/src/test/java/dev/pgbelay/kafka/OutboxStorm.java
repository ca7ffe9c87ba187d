package dev.pgbelay.kafka;

import static org.assertj.core.api.Assertions.assertThat;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.kafka.StormProcess.Role;
import dev.pgbelay.testing.FaultProxy;
import dev.pgbelay.testing.PostgresCluster;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.awaitility.Awaitility;
import org.awaitility.core.ConditionTimeoutException;
import org.jspecify.annotations.Nullable;

/** The processes of a storm and what is done to them. */
final class OutboxStorm implements AutoCloseable {
  /** What can happen. */
  enum Fault {
    KILL_RELAY,
    STOP_RELAY_PAST_ITS_LEASE,
    STOP_RELAY_IN_GOOD_ORDER,
    KILL_CONSUMER,
    TERMINATE_SESSIONS,
    CRASH_SERVER,
    BROKER_DOWN_PAST_THE_DELIVERY_TIMEOUT,
    BROKER_RESTARTED
  }

  private static final Duration LIMIT = Duration.ofMinutes(4);

  private record Running(String name, Process process) {}

  private final Path folder;
  private final String url;
  private final KafkaBroker broker;
  private final StormTables tables;
  private final HikariDataSource direct;
  private final Random random;
  private final Duration limit;
  private final List<Running> relays = new ArrayList<>();
  private final Map<Fault, Integer> faults = new LinkedHashMap<>();
  private final ConcurrentLinkedQueue<Process> all = new ConcurrentLinkedQueue<>();
  private @Nullable Running consumer;
  private int named;
  private int terminated;

  /**
   * @param url for relays and consumers
   * @param direct of the tables, past all faults
   */
  OutboxStorm(
      Path folder,
      String url,
      KafkaBroker broker,
      HikariDataSource direct,
      Random random,
      Duration limit)
      throws IOException {
    this.folder = folder;
    this.url = url;
    this.broker = broker;
    this.tables = new StormTables(direct);
    this.direct = direct;
    this.random = random;
    this.limit = limit;
    Files.createDirectories(folder);
    // One that stands still does not notice that its parent has died.
    Runtime.getRuntime().addShutdownHook(new Thread(() -> all.forEach(Process::destroyForcibly)));
  }

  private Running begin(Role role) throws IOException {
    String name = (role == Role.RELAY ? "relay-" : "consumer-") + ++named;
    Process process = StormProcess.start(role, url, broker.bootstrap(), folder, name);
    all.add(process);
    return new Running(name, process);
  }

  void start(int relayCount) throws IOException {
    for (int i = 0; i < relayCount; i++) {
      relays.add(begin(Role.RELAY));
    }
    consumer = begin(Role.CONSUMER);
  }

  void awaitEffects(int count) throws Exception {
    await(count + " effects", limit, () -> tables.effects() >= count);
  }

  void provoke(Fault fault, PostgresCluster cluster) throws Exception {
    faults.merge(fault, 1, Integer::sum);
    int which = random.nextInt(relays.size());
    Running one = relays.get(which);
    switch (fault) {
      case KILL_RELAY -> {
        StormProcess.signal(one.process(), "-KILL");
        relays.set(which, begin(Role.RELAY));
      }
      case STOP_RELAY_PAST_ITS_LEASE -> {
        StormProcess.signal(one.process(), "-STOP");
        await(
            "others give up " + one.name(),
            () ->
                tables.count("select count(*) from pgbelay.outbox_relay where node = ?", one.name())
                    == 0);
        StormProcess.signal(one.process(), "-CONT");
      }
      case STOP_RELAY_IN_GOOD_ORDER -> {
        relays.set(which, begin(Role.RELAY));
        one.process().destroy();
      }
      case KILL_CONSUMER -> {
        StormProcess.signal(consumer().process(), "-KILL");
        assertThat(consumer().process().waitFor(1, TimeUnit.MINUTES)).isTrue();
        consumer = begin(Role.CONSUMER);
      }
      case TERMINATE_SESSIONS -> {
        for (Integer pid :
            tables
                .dsl()
                .fetch("select pid from pg_stat_activity where application_name like 'storm-%'")
                .getValues(0, Integer.class)) {
          if (random.nextBoolean()) {
            tables.dsl().fetchValue("select pg_terminate_backend(?)", pid);
            terminated++;
          }
        }
      }
      case CRASH_SERVER -> {
        cluster.primary().crash();
        cluster.primary().restart();
        direct.getHikariPoolMXBean().softEvictConnections();
      }
      case BROKER_DOWN_PAST_THE_DELIVERY_TIMEOUT -> {
        broker.stop();
        int before = StormAnswers.read(folder).size();
        await("deliveries fail", () -> StormAnswers.read(folder).size() > before);
        broker.startAgain();
      }
      case BROKER_RESTARTED -> {
        broker.stop();
        broker.startAgain();
      }
    }
  }

  private interface Check {
    boolean holds() throws Exception;
  }

  private void await(String what, Check check) throws Exception {
    await(what, LIMIT, check);
  }

  /** Where it is in vain, the folder has where everybody stood. */
  private void await(String what, Duration most, Check check) throws Exception {
    try {
      Awaitility.await(what)
          .atMost(most)
          .pollDelay(Duration.ZERO)
          .pollInterval(Duration.ofMillis(20))
          .ignoreExceptions()
          .until(check::holds);
    } catch (ConditionTimeoutException e) {
      throw new AssertionError(
          "waited in vain for " + what + ": " + StormStandstill.write(folder, tables, all), e);
    }
  }

  /** Waits until everything has gone its way, and ends all in good order. */
  void calm() throws Exception {
    await("nothing waits", () -> tables.count("select count(*) from pgbelay.outbox_message") == 0);
    await("nothing is held", () -> tables.count("select count(*) from pgbelay.outbox_held") == 0);
    await(
        "no key is held", () -> tables.count("select count(*) from pgbelay.outbox_held_key") == 0);
    for (Running one : relays) {
      one.process().destroy();
    }
    for (Process process : all) {
      if (process != consumer().process()) {
        assertThat(process.waitFor(2, TimeUnit.MINUTES)).isTrue();
      }
    }
    await("the consumer has had everything", this::consumedAll);
    consumer().process().destroy();
    assertThat(consumer().process().waitFor(2, TimeUnit.MINUTES)).isTrue();
    // Those that were killed last: nobody was there to give them up.
    tables.dsl().execute("delete from pgbelay.outbox_relay where expires_at < clock_timestamp()");
  }

  private boolean consumedAll() throws Exception {
    try (Admin admin = broker.admin()) {
      Map<TopicPartition, OffsetAndMetadata> committed =
          admin
              .listConsumerGroupOffsets(StormConsumer.GROUP)
              .partitionsToOffsetAndMetadata()
              .get(10, TimeUnit.SECONDS);
      Map<TopicPartition, OffsetSpec> asked = new LinkedHashMap<>();
      Objects.requireNonNull(
              admin
                  .describeTopics(List.of(StormTables.TOPIC))
                  .allTopicNames()
                  .get(10, TimeUnit.SECONDS)
                  .get(StormTables.TOPIC))
          .partitions()
          .forEach(
              one ->
                  asked.put(
                      new TopicPartition(StormTables.TOPIC, one.partition()), OffsetSpec.latest()));
      var ends = admin.listOffsets(asked).all().get(10, TimeUnit.SECONDS);
      return ends.entrySet().stream()
          .allMatch(
              end -> {
                OffsetAndMetadata of = committed.get(end.getKey());
                return (of == null ? 0 : of.offset()) == end.getValue().offset();
              });
    }
  }

  /** Everything that is known, by way of a file. */
  StormHistory history(StormProducers producers) throws IOException {
    StormHistory history =
        tables.history(broker, StormTables.TOPIC, folder, producers.rolledBack());
    history.write(folder.resolve("history"));
    return StormHistory.read(folder.resolve("history"));
  }

  String report(FaultProxy proxy) {
    return "faults "
        + faults
        + ", sessions terminated "
        + terminated
        + ", COMMITs "
        + proxy.counters().commits()
        + ", cut before "
        + proxy.counters().cutsBeforeCommit()
        + ", behind "
        + proxy.counters().cutsAfterCommit();
  }

  private Running consumer() {
    return Objects.requireNonNull(consumer);
  }

  @Override
  public void close() {
    for (Process process : all) {
      process.destroyForcibly().onExit().join();
    }
  }
}

package dev.pgbelay.kafka;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.outbox.Destination;
import dev.pgbelay.outbox.OutboxRelay;
import dev.pgbelay.outbox.RetryPauses;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;

/**
 * A JVM that is a relay, or a consumer, of a storm. It ends with the JVM of its test, and in good
 * order when it is told to.
 */
final class StormProcess {
  /** Short, so that a test need not wait long for it. */
  static final Duration LEASE = Duration.ofSeconds(2);

  static final Duration DELIVERY_TIMEOUT = Duration.ofSeconds(2);

  /** Written by a relay that has stopped with nothing left to write. */
  static final String CLEAN = ".clean";

  private StormProcess() {}

  /** What the process is. */
  enum Role {
    RELAY,
    CONSUMER
  }

  static Process start(Role role, String url, String bootstrap, Path folder, String name)
      throws IOException {
    return new ProcessBuilder(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "-XX:TieredStopAtLevel=1",
            "-Xmx256m",
            "-Dorg.jooq.no-logo=true",
            "-Dorg.jooq.no-tips=true",
            "-cp",
            System.getProperty("java.class.path"),
            StormProcess.class.getName(),
            role.name(),
            url + "&ApplicationName=storm-" + name,
            bootstrap,
            folder.toString(),
            name)
        .redirectErrorStream(true)
        .redirectOutput(ProcessBuilder.Redirect.appendTo(folder.resolve(name + ".log").toFile()))
        .redirectInput(ProcessBuilder.Redirect.from(new File("/dev/null")))
        .start();
  }

  static void signal(Process process, String signal) throws Exception {
    Process kill = new ProcessBuilder("kill", signal, Long.toString(process.pid())).start();
    if (kill.waitFor() != 0) {
      throw new IllegalStateException("kill " + signal + " has failed");
    }
  }

  public static void main(String[] args) throws Exception {
    ProcessHandle.current()
        .parent()
        .ifPresent(
            test -> {
              CompletableFuture<Void> unused =
                  test.onExit().thenRun(() -> Runtime.getRuntime().halt(1));
            });
    Role role = Role.valueOf(args[0]);
    if (role == Role.RELAY) {
      relay(args[1], args[2], Path.of(args[3]), args[4]);
    } else {
      try (HikariDataSource pool = StormTables.pool(args[1], 2);
          StormConsumer consumer = new StormConsumer(pool, args[2], StormTables.TOPIC, true)) {
        Runtime.getRuntime().addShutdownHook(new Thread(consumer::stop));
        consumer.run();
      }
    }
  }

  static KafkaPublisher publisher(String bootstrap) {
    return KafkaPublisher.builder(Map.of("bootstrap.servers", bootstrap))
        .deliveryTimeout(DELIVERY_TIMEOUT)
        .batchSize(200)
        .build();
  }

  static Destination destination(StormAnswers publisher) {
    return Destination.of("kafka", publisher)
        .withConcurrency(3)
        .withMostFailingKeys(50)
        .withRetries(1_000, RetryPauses.exponential(Duration.ofMillis(20), Duration.ofMillis(500)));
  }

  private static void relay(String url, String bootstrap, Path folder, String name)
      throws Exception {
    HikariDataSource pool = StormTables.pool(url, 10);
    HikariDataSource heartbeats = StormTables.pool(url, 1);
    KafkaPublisher kafka = publisher(bootstrap);
    StormAnswers answers = new StormAnswers(kafka, folder, name);
    OutboxRelay relay =
        OutboxRelay.builder(Transactions.of(pool), heartbeats)
            .node(name)
            .lease(LEASE)
            .pollInterval(Duration.ofMillis(50))
            .window(2_000, 4L << 20)
            .deliver(destination(answers))
            .build();
    Runtime.getRuntime()
        .addShutdownHook(
            new Thread(
                () -> {
                  OutboxRelay.StopReport report = relay.stop(Duration.ofSeconds(20));
                  System.out.println(report);
                  if (report.isClean()) {
                    writeClean(folder, name);
                  }
                  kafka.close();
                }));
    relay.start();
    Thread.sleep(Duration.ofHours(1).toMillis());
  }

  private static void writeClean(Path folder, String name) {
    try {
      Files.write(folder.resolve(name + CLEAN), List.of(name), UTF_8);
    } catch (IOException e) {
      System.out.println(e);
    }
  }
}

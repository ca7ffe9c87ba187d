package dev.pgbelay.outbox;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import javax.sql.DataSource;
import org.jooq.DSLContext;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;

/**
 * A JVM that is a relay, and ends or stands still at the place that a test wants. What it delivers
 * is in the table {@code delivered}, which stands for the other side. It ends with its parent.
 */
final class RelayProcess {
  /** Where it ends, or how its publisher behaves. */
  enum Script {
    /** Ends with the first messages in its hands, before anything was delivered. */
    HALT_AFTER_LOOK,
    /** Ends when half of its first call is delivered. */
    HALT_WITHIN_PUBLISH,
    /** Delivers its first call once the gate is open, and stands still in the next. */
    ONE_CALL_BEHIND_THE_GATE,
    /** The same, but the first call fails. */
    ONE_FAILURE_BEHIND_THE_GATE,
    /** Delivers, slowly. */
    ON_AND_ON,
    /**
     * Delivers the first messages of keys at the second attempt, keeps what it delivered, and says
     * what its clock shows.
     */
    SECOND_ATTEMPT
  }

  static final int BATCH = 10;

  /** Longer than a test: it is over when the test says so. */
  static final Duration LEASE = Duration.ofMinutes(2);

  static final Duration RETRY = Duration.ofSeconds(1);

  private static final Path LOGS = Path.of("target", "relay-process");

  private RelayProcess() {}

  static void install(DSLContext dsl) {
    dsl.execute(
        "create table if not exists delivered (place bigserial, node text not null,"
            + " claim text not null, message_id text not null, key text, payload text not null)");
    dsl.execute("create table if not exists gate (node text not null)");
    dsl.execute("create table if not exists clock (node text not null, millis bigint not null)");
  }

  static Process start(String url, String node, String destination, Script script)
      throws IOException {
    return start(url, node, destination, script, Map.of());
  }

  static Process start(
      String url, String node, String destination, Script script, Map<String, String> environment)
      throws IOException {
    Files.createDirectories(LOGS);
    ProcessBuilder jvm =
        new ProcessBuilder(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "-XX:TieredStopAtLevel=1",
            "-Xmx128m",
            "-Duser.timezone=Pacific/Kiritimati",
            "-Dorg.jooq.no-logo=true",
            "-Dorg.jooq.no-tips=true",
            "-cp",
            System.getProperty("java.class.path"),
            RelayProcess.class.getName(),
            url + "&ApplicationName=" + node,
            node,
            destination,
            script.name());
    jvm.environment().putAll(environment);
    return jvm.redirectErrorStream(true)
        .redirectOutput(ProcessBuilder.Redirect.appendTo(LOGS.resolve(node + ".log").toFile()))
        .redirectInput(ProcessBuilder.Redirect.from(new File("/dev/null")))
        .start();
  }

  /** Of the first message of each key. */
  private static boolean isFirstTry(Message message) {
    return message.attempt() == 1
        && new String(message.payload(), StandardCharsets.UTF_8).equals("0");
  }

  static void signal(Process process, String signal) throws Exception {
    Process kill = new ProcessBuilder("kill", signal, Long.toString(process.pid())).start();
    if (kill.waitFor() != 0) {
      throw new IllegalStateException("kill " + signal + " has failed");
    }
  }

  /** Delivers by writing into the table, each message by itself. */
  static class ToTable implements MessagePublisher {
    private final DSLContext dsl;
    private final String node;

    ToTable(DataSource other, String node) {
      this.dsl = DSL.using(other, SQLDialect.POSTGRES);
      this.node = node;
    }

    @Override
    public int batchSize() {
      return BATCH;
    }

    @Override
    public List<Delivery> publish(List<Message> messages) throws InterruptedException {
      List<Delivery> deliveries = new ArrayList<>();
      for (Message message : messages) {
        dsl.execute(
            "insert into delivered (node, claim, message_id, key, payload)"
                + " values (?, ?, ?, ?, convert_from(?, 'UTF8'))",
            node,
            message.claim(),
            message.messageId(),
            message.key().orElse(null),
            message.payload());
        deliveries.add(Delivery.delivered());
      }
      return deliveries;
    }

    void tellTime() {
      dsl.execute(
          "insert into clock (node, millis) values (?, ?)", node, System.currentTimeMillis());
    }

    void awaitGate() throws InterruptedException {
      while (dsl.fetch("select 1 from gate where node = ?", node).isEmpty()) {
        Thread.sleep(10);
      }
    }
  }

  private static final class Scripted extends ToTable {
    private final Script script;
    private final AtomicInteger calls = new AtomicInteger();

    Scripted(DataSource other, String node, Script script) {
      super(other, node);
      this.script = script;
    }

    @Override
    public List<Delivery> publish(List<Message> messages) throws InterruptedException {
      int call = calls.incrementAndGet();
      switch (script) {
        case HALT_AFTER_LOOK -> Runtime.getRuntime().halt(1);
        case HALT_WITHIN_PUBLISH -> {
          super.publish(messages.subList(0, messages.size() / 2));
          Runtime.getRuntime().halt(1);
        }
        case ONE_CALL_BEHIND_THE_GATE, ONE_FAILURE_BEHIND_THE_GATE -> {
          if (call > 1) {
            new CountDownLatch(1).await();
          }
          awaitGate();
          if (script == Script.ONE_FAILURE_BEHIND_THE_GATE) {
            return messages.stream().map(one -> Delivery.failed("on purpose")).toList();
          }
        }
        case ON_AND_ON -> Thread.sleep(20);
        case SECOND_ATTEMPT -> {
          if (messages.stream().anyMatch(RelayProcess::isFirstTry)) {
            return messages.stream().map(one -> Delivery.failed("the first time")).toList();
          }
        }
      }
      return super.publish(messages);
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
    HikariDataSource pool = RelayFixture.pool(args[0], 8);
    HikariDataSource heartbeats = RelayFixture.pool(args[0], 1);
    HikariDataSource other = RelayFixture.pool(args[0] + "-other", 4);
    Script script = Script.valueOf(args[3]);
    Scripted publisher = new Scripted(other, args[1], script);
    Destination to =
        Destination.of(args[2], publisher)
            .withConcurrency(args[3].startsWith("ONE") ? 1 : 3)
            .withRetries(10, RetryPauses.exponential(RETRY, RETRY));
    if (script == Script.SECOND_ATTEMPT) {
      to = to.withRetention(Duration.ofDays(1));
      publisher.tellTime();
    }
    OutboxRelay relay =
        OutboxRelay.builder(Transactions.of(pool), heartbeats)
            .node(args[1])
            .lease(LEASE)
            .pollInterval(Duration.ofMillis(20))
            .deliver(to)
            .build();
    Runtime.getRuntime()
        .addShutdownHook(new Thread(() -> System.out.println(relay.stop(Duration.ofSeconds(20)))));
    relay.start();
    Thread.sleep(Duration.ofMinutes(10).toMillis());
  }
}

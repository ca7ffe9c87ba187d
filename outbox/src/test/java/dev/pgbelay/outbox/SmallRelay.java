package dev.pgbelay.outbox;

import static org.assertj.core.api.Assertions.assertThat;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import java.lang.management.ManagementFactory;
import java.lang.management.MemoryType;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/** A JVM of 64 MiB with a relay that delivers so many messages, and ends. */
final class SmallRelay {
  private SmallRelay() {}

  /** Waits until it has delivered them, and ended well; a heap that is exhausted ends it too. */
  static void deliver(String jdbcUrl, String destination, int messages) throws Exception {
    Process jvm =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx64m",
                "-XX:+UseSerialGC",
                "-XX:+ExitOnOutOfMemoryError",
                "-Dorg.jooq.no-logo=true",
                "-Dorg.jooq.no-tips=true",
                "-cp",
                System.getProperty("java.class.path"),
                SmallRelay.class.getName(),
                jdbcUrl,
                destination,
                Integer.toString(messages))
            .inheritIO()
            .start();
    try {
      assertThat(jvm.waitFor(5, TimeUnit.MINUTES)).isTrue();
    } finally {
      jvm.destroyForcibly();
    }
    assertThat(jvm.exitValue()).isZero();
  }

  public static void main(String[] args) throws Exception {
    CountDownLatch left = new CountDownLatch(Integer.parseInt(args[2]));
    try (HikariDataSource pool = RelayFixture.pool(args[0], 8);
        HikariDataSource heartbeats = RelayFixture.pool(args[0], 1)) {
      OutboxRelay relay =
          OutboxRelay.builder(Transactions.of(pool), heartbeats)
              .deliver(Destination.of(args[1], new Counting(left)))
              .build();
      long begin = System.nanoTime();
      relay.start();
      left.await();
      long millis = Duration.ofNanos(System.nanoTime() - begin).toMillis();
      long peak =
          ManagementFactory.getMemoryPoolMXBeans().stream()
              .filter(memory -> memory.getType() == MemoryType.HEAP)
              .mapToLong(memory -> memory.getPeakUsage().getUsed())
              .sum();
      System.out.printf(
          "%s messages in %d ms, heap of %d MiB, highest use of its parts in all %d MiB%n",
          args[2], millis, Runtime.getRuntime().maxMemory() >> 20, peak >> 20);
      System.exit(relay.stop(Duration.ofSeconds(60)).isClean() ? 0 : 4);
    }
  }

  /** Takes what comes. */
  private record Counting(CountDownLatch left) implements MessagePublisher {
    private static final int MOST = 500;

    @Override
    public List<Delivery> publish(List<Message> messages) {
      messages.forEach(message -> left.countDown());
      return messages.stream().map(message -> Delivery.delivered()).toList();
    }

    @Override
    public int batchSize() {
      return MOST;
    }
  }
}

package dev.pgbelay.jobqueue;

import static org.assertj.core.api.Assertions.assertThat;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.testing.PostgresExtension;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledForJreRange;
import org.junit.jupiter.api.condition.JRE;
import org.junit.jupiter.api.extension.RegisterExtension;

/** On which threads handlers run. */
class HandlerThreadsPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(QueueFixture.SCHEMA);

  @RegisterExtension static final RunningWorkers running = new RunningWorkers(postgres, 2);

  private final QueueFixture fixture = new QueueFixture(postgres.dataSource());

  private static boolean isVirtual(Thread thread) {
    try {
      return (boolean) Thread.class.getMethod("isVirtual").invoke(thread);
    } catch (NoSuchMethodException e) {
      return false; // a JVM without any
    } catch (ReflectiveOperationException e) {
      throw new IllegalStateException(e);
    }
  }

  /** The threads that run some jobs which wait for each other. */
  private List<Thread> threadsOf(java.util.function.UnaryOperator<JobWorkerBuilder> option) {
    Queue<Thread> seen = new ConcurrentLinkedQueue<>();
    CountDownLatch all = new CountDownLatch(4);
    fixture.enqueue(4);
    running.start(
        option.apply(
            JobWorker.builder(fixture.transactions, running.heartbeats())
                .name(QueueFixture.freshName())
                .queue(fixture.queue, 4)
                .pollInterval(Duration.ofMillis(20))
                .handle(
                    QueueFixture.MAIL,
                    (context, payload) -> {
                      seen.add(Thread.currentThread());
                      all.countDown();
                      all.await();
                      return JobOutcome.done();
                    })));
    QueueFixture.await(() -> fixture.finished("done") == 4);
    assertThat(seen).hasSize(4).doesNotHaveDuplicates();
    return List.copyOf(seen);
  }

  @Test
  void handlers_runOnVirtualThreadsWhereTheJvmHasThoseThatDoNotPin() {
    boolean expected = Runtime.version().feature() >= 24;
    assertThat(threadsOf(builder -> builder))
        .allSatisfy(
            thread -> {
              assertThat(isVirtual(thread)).isEqualTo(expected);
              assertThat(thread.getName()).isEqualTo("pgbelay-job");
              assertThat(thread.isDaemon()).isTrue();
            });
  }

  @Test
  void platformThreads_areUsedWhereTheyAreAskedFor() {
    assertThat(threadsOf(JobWorkerBuilder::platformThreads))
        .allSatisfy(
            thread -> {
              assertThat(isVirtual(thread)).isFalse();
              assertThat(thread.isDaemon()).isTrue();
            });
  }

  @Test
  void ownThreads_areUsed() {
    AtomicInteger made = new AtomicInteger();
    assertThat(
            threadsOf(
                builder ->
                    builder.threadFactory(
                        work -> new Thread(work, "own-" + made.incrementAndGet()))))
        .extracting(Thread::getName)
        .allMatch(name -> name.startsWith("own-"));
    assertThat(made).hasValue(4);
  }

  @Test
  void jvmThatPins_isGivenPlatformThreads() {
    for (int version : new int[] {17, 21, 23}) {
      assertThat(HandlerThreads.of(version)).isSameAs(HandlerThreads.PLATFORM);
    }
  }

  /** A process with one carrier: one handler waits within a monitor for what another one does. */
  static final class OneCarrier {
    private OneCarrier() {}

    public static void main(String[] args) throws Exception {
      Object monitor = new Object();
      CountDownLatch held = new CountDownLatch(1);
      CountDownLatch others = new CountDownLatch(3);
      try (HikariDataSource pool = QueueFixture.pool(args[0], 6);
          HikariDataSource heartbeats = QueueFixture.pool(args[0], 1)) {
        JobWorker worker =
            JobWorker.builder(Transactions.of(pool), heartbeats)
                .queue(args[1], 4)
                .handle(
                    QueueFixture.MAIL,
                    (context, payload) -> {
                      if (payload.equals("payload 0")) {
                        synchronized (monitor) {
                          held.countDown();
                          others.await();
                        }
                      } else {
                        held.await();
                        others.countDown();
                      }
                      return JobOutcome.done();
                    })
                .build();
        worker.start();
        others.await();
        System.exit(worker.stop(Duration.ofSeconds(60)).isClean() ? 0 : 4);
      }
    }
  }

  @Test
  @EnabledForJreRange(min = JRE.JAVA_24)
  void handlerThatWaitsWithinAMonitor_doesNotKeepTheOnlyCarrier() throws Exception {
    fixture.enqueue(4);
    Process jvm =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Djdk.virtualThreadScheduler.parallelism=1",
                "-Djdk.virtualThreadScheduler.maxPoolSize=1",
                "-Dorg.jooq.no-logo=true",
                "-Dorg.jooq.no-tips=true",
                "-cp",
                System.getProperty("java.class.path"),
                OneCarrier.class.getName(),
                postgres.jdbcUrl(),
                fixture.queue)
            .inheritIO()
            .start();
    try {
      assertThat(jvm.waitFor(3, TimeUnit.MINUTES)).isTrue();
    } finally {
      jvm.destroyForcibly();
    }
    assertThat(jvm.exitValue()).isZero();
    assertThat(fixture.finished("done")).isEqualTo(4);
  }
}

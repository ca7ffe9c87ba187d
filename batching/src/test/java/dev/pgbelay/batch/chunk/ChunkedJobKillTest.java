package dev.pgbelay.batch.chunk;

import static dev.pgbelay.batch.chunk.ChunkFixture.doubled;
import static dev.pgbelay.batch.chunk.ChunkFixture.fill;
import static dev.pgbelay.batch.chunk.ChunkFixture.freshName;
import static dev.pgbelay.batch.chunk.ChunkFixture.leftOut;
import static org.assertj.core.api.Assertions.assertThat;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.testing.PostgresCluster;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.awaitility.Awaitility;
import org.jooq.DSLContext;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/**
 * A runner in a JVM of its own. It is killed (SIGKILL), or the server under it is (SIGKILL of all
 * its processes), between two statements or while one is under way.
 */
@SuppressWarnings("NullAway.Init") // the statics are set before all tests
class ChunkedJobKillTest {
  private static final boolean FULL = "full".equals(System.getProperty("pgbelay.scale"));
  private static final int NEVER = 1_000_000;

  private static PostgresCluster cluster;
  private static HikariDataSource pool;

  private final DSLContext dsl = ChunkFixture.dsl(pool);
  private final Map<String, Integer> killedBefore = new TreeMap<>();
  private int jvmKills;
  private int serverKills;
  private int midStatement;

  @BeforeAll
  static void start() throws Exception {
    cluster = PostgresCluster.builder().start();
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(cluster.primary().jdbcUrl());
    config.setMaximumPoolSize(3);
    pool = new HikariDataSource(config);
    ChunkFixture.SCHEMA.initialize(pool);
  }

  @AfterAll
  static void stop() {
    pool.close();
    cluster.close();
  }

  /** The other end of {@link StatementStops}. */
  private record Runner(Process process, PrintWriter orders, BufferedReader answers) {
    static Runner start(String job) {
      try {
        Process process =
            new ProcessBuilder(
                    Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                    "-XX:TieredStopAtLevel=1",
                    "-Dorg.jooq.no-logo=true",
                    "-Dorg.jooq.no-tips=true",
                    "-cp",
                    System.getProperty("java.class.path"),
                    StatementStops.class.getName(),
                    cluster.primary().jdbcUrl(),
                    job)
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start();
        return new Runner(
            process,
            new PrintWriter(process.outputWriter(StandardCharsets.UTF_8), true),
            process.inputReader(StandardCharsets.UTF_8));
      } catch (IOException e) {
        throw new AssertionError(e);
      }
    }

    void stopBefore(int statement) {
      orders.println(statement);
    }

    /** The statement before which it stands; null if the job has ended. */
    @org.jspecify.annotations.Nullable
    String awaitStop() throws IOException {
      for (String line; (line = answers.readLine()) != null; ) {
        assertThat(line).doesNotContain("LeaseLost").doesNotContain("CANCELLED");
        if (line.startsWith("at ")) {
          return line.substring(3);
        }
      }
      return null;
    }

    void kill() throws InterruptedException {
      process.destroyForcibly();
      assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
      assertThat(process.exitValue()).as("SIGKILL").isEqualTo(137);
    }
  }

  @Test
  void runnerOrServerKilledBetweenAnyTwoStatements_leavesNoRowOutAndNoneTwice() throws Exception {
    long seed = Long.getLong("pgbelay.seed", System.nanoTime());
    System.out.println("-Dpgbelay.seed=" + seed);
    Random random = new Random(seed);
    int wanted = FULL ? 200 : 6;
    int rows = FULL ? 600 : 200;
    int jobs = 0;
    while (jvmKills + serverKills < wanted) {
      fill(dsl, rows);
      killUntilDone(freshName() + "-killed", random, wanted);
      jobs++;
      assertThat(leftOut(dsl)).as("left out, seed " + seed).isZero();
      assertThat(doubled(dsl)).as("twice, seed " + seed).isZero();
      assertThat(dsl.fetchCount(ChunkFixture.EFFECT)).isEqualTo(rows);
    }
    System.out.printf(
        "%d kills of the runner's JVM, %d crashes of the server (%d while a statement was under"
            + " way) in %d jobs of %d rows, before:%n",
        jvmKills, serverKills, midStatement, jobs, rows);
    killedBefore.forEach((sql, times) -> System.out.printf("%5d  %s%n", times, sql));
  }

  private void killUntilDone(String job, Random random, int wanted) throws Exception {
    Runner runner = Runner.start(job);
    try {
      runner.stopBefore(next(random, wanted));
      for (String at; (at = runner.awaitStop()) != null; ) {
        killedBefore.merge(at.substring(0, Math.min(60, at.length())), 1, Integer::sum);
        if (random.nextBoolean()) {
          jvmKills++;
          runner.kill();
          runner = Runner.start(job);
          runner.stopBefore(next(random, wanted));
        } else {
          serverKills++;
          boolean underWay = random.nextInt(3) == 0;
          int next = next(random, wanted);
          if (underWay) {
            midStatement++;
            runner.stopBefore(next);
            LockSupport.parkNanos(random.nextInt(2_000_000));
          }
          cluster.primary().crash();
          cluster.primary().restart();
          pool.getHikariPoolMXBean().softEvictConnections();
          if (!underWay) {
            runner.stopBefore(next);
          }
        }
      }
      assertThat(runner.process().waitFor(60, TimeUnit.SECONDS)).isTrue();
      assertThat(runner.process().exitValue()).as("ended by itself").isZero();
    } finally {
      runner.process().destroyForcibly();
    }
  }

  /** Up to three chunks of statements away. */
  private int next(Random random, int wanted) {
    return jvmKills + serverKills >= wanted ? NEVER : 1 + random.nextInt(24);
  }

  @Test
  void jobOfAnotherProcess_isPausedResumedAndCancelled() throws Exception {
    // More than is done before the orders arrive, however late they do.
    fill(dsl, 100_000);
    String job = freshName() + "-steered";
    JobControl control = JobControl.of(Transactions.of(pool), job);
    Runner runner = Runner.start(job);
    try {
      runner.stopBefore(40);
      assertThat(runner.awaitStop()).isNotNull();
      Thread resumer =
          new Thread(
              () -> {
                await(
                    () ->
                        control.status().orElseThrow().throttledBy().stream()
                            .anyMatch("paused"::equals));
                long paused = control.status().orElseThrow().rowsWalked();
                control.resume();
                await(() -> control.status().orElseThrow().rowsWalked() > paused);
                control.cancel();
              });
      // The runner stands in the middle of a chunk: the change waits for that chunk's commit.
      Thread pauser = new Thread(control::pause);
      pauser.start();
      resumer.start();
      runner.stopBefore(NEVER);
      assertThat(runner.answers().readLine()).isEqualTo("ended CANCELLED");
      pauser.join();
      resumer.join();
    } finally {
      runner.process().destroyForcibly();
    }
    JobControl.Status status = control.status().orElseThrow();
    assertThat(status.state()).isEqualTo(JobControl.State.CANCELLED);
    assertThat(status.running()).isFalse();
    assertThat(status.rowsWalked()).isBetween(10L, 99_990L);
    assertThat(dsl.fetchCount(ChunkFixture.EFFECT)).isEqualTo((int) status.rowsDone());
    assertThat(doubled(dsl)).isZero();
  }

  @Test
  void jobOfAMap_isResumedByOtherProcesses() throws Exception {
    fill(dsl, 200);
    String job = freshName() + "-resumed";
    int processes = 0;
    String last = "";
    while (!last.startsWith("ended")) {
      assertThat(++processes).as("processes, the last one said: " + last).isLessThan(9);
      awaitLeaseEnd(job);
      Process process =
          new ProcessBuilder(
                  Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                  "-XX:TieredStopAtLevel=1",
                  "-Dorg.jooq.no-logo=true",
                  "-Dorg.jooq.no-tips=true",
                  "-cp",
                  System.getProperty("java.class.path"),
                  ResumedJob.class.getName(),
                  cluster.primary().jdbcUrl(),
                  job,
                  String.valueOf(processes < 5 ? 4 : NEVER))
              .redirectErrorStream(true)
              .start();
      try (BufferedReader said = process.inputReader(StandardCharsets.UTF_8)) {
        for (String line; (line = said.readLine()) != null; ) {
          assertThat(line).doesNotContain("JobRefusedException");
          last = line.startsWith("ended") || line.startsWith("stands") ? line : last;
        }
      }
      assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
    }

    assertThat(processes).isEqualTo(5);
    assertThat(last).startsWith("ended DONE");
    assertThat(dsl.fetchCount(ChunkFixture.ITEM, ChunkFixture.DONE.ne(1)))
        .as("rows worked on twice, or left out")
        .isZero();
  }

  private void awaitLeaseEnd(String job) {
    JobControl control = JobControl.of(Transactions.of(pool), job);
    await(() -> control.status().stream().noneMatch(JobControl.Status::running));
  }

  private static void await(java.util.concurrent.Callable<Boolean> condition) {
    Awaitility.await()
        .atMost(Duration.ofSeconds(60))
        .pollInterval(Duration.ofMillis(5))
        .until(condition);
  }
}

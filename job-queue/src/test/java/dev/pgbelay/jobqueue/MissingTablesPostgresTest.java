package dev.pgbelay.jobqueue;

import static org.assertj.core.api.Assertions.assertThat;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.testing.PostgresExtension;
import io.micrometer.core.instrument.Timer;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What a process says whose worker finds no tables. */
class MissingTablesPostgresTest {
  private static final String WORKER = "lonely";

  @RegisterExtension static final PostgresExtension postgres = PostgresExtension.create();

  /** Works until each loop that asks the database has failed more than once. */
  static final class WithoutTables {
    private static final List<String> LOOPS =
        List.of("claim-1", "promote", "rescue", "retain", "keys", "cancel", "leftovers");

    private WithoutTables() {}

    public static void main(String[] args) {
      SimpleMeterRegistry meters = new SimpleMeterRegistry();
      try (HikariDataSource pool = QueueFixture.pool(args[0], 6);
          HikariDataSource heartbeats = QueueFixture.pool(args[0], 1)) {
        JobWorker worker =
            JobWorker.builder(Transactions.of(pool), heartbeats)
                .name(WORKER)
                .meterRegistry(meters)
                .wokenBy(JobQueue.create())
                .handle(QueueFixture.MAIL, (context, payload) -> JobOutcome.done())
                .build();
        worker.start();
        QueueFixture.await(() -> LOOPS.stream().allMatch(loop -> failures(meters, loop) >= 2));
        System.exit(worker.stop(Duration.ofSeconds(60)).isClean() ? 0 : 4);
      }
    }

    private static long failures(SimpleMeterRegistry meters, String loop) {
      Timer failed =
          meters
              .find("pgbelay.background.pass")
              .tags("name", "jobs-" + WORKER + "-" + loop, "outcome", "failed")
              .timer();
      return failed == null ? 0 : failed.count();
    }
  }

  @Test
  void workerWithoutTables_saysSoInOneLineWithTheRemedy() throws Exception {
    String said =
        ChildJvm.output(
            WithoutTables.class,
            List.of(
                "org.slf4j.simpleLogger.log.dev.pgbelay=info",
                "org.slf4j.simpleLogger.log.dev.pgbelay.core=info"),
            postgres.jdbcUrl());
    assertThat(said.lines().filter(line -> line.contains("tables of module jobqueue")))
        .singleElement()
        .asString()
        .contains(
            "worker '" + WORKER + "'", "schema 'pgbelay'", "does not exist", "SchemaInstaller");
    assertThat(said).doesNotContain("\tat ", "failed");
  }
}

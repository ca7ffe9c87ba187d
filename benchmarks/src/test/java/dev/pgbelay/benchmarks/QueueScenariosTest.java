package dev.pgbelay.benchmarks;

import static dev.pgbelay.benchmarks.BenchRun.metricsOfContestants;
import static dev.pgbelay.benchmarks.BenchRun.run;
import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Scenarios at a tiny size: every contestant does its work. Nothing is said about time. */
class QueueScenariosTest {
  @Test
  void scenariosOfTheJobQueue_workIsVerified(@TempDir Path folder) throws Exception {
    assertThat(run(folder, "queue", "--rows", "3000", "--rounds", "1", "--warm-ups", "0")).isZero();
    assertThat(metricsOfContestants(folder.resolve("queue.json")))
        .containsOnlyKeys(
            "limit",
            "pgbelay",
            "pgbelay (1,000 partition keys)",
            "pgbelay (limit of the queue)",
            "pgbelay (permit of the kind)",
            "db-scheduler (lock and fetch 4, 20)",
            "JobRunr",
            "one by one")
        .allSatisfy(
            (contestant, metrics) -> assertThat(metrics).containsExactly("work/jobs-per-second"));
    assertThat(run(folder, "queue-enqueue", "--rows", "1000", "--rounds", "1", "--warm-ups", "0"))
        .isZero();
    assertThat(metricsOfContestants(folder.resolve("queue-enqueue.json")))
        .containsOnlyKeys(
            "limit",
            "pgbelay",
            "bare INSERT, by Transactions",
            "pgbelay, enqueue(tx)",
            "db-scheduler",
            "JobRunr")
        .allSatisfy(
            (contestant, metrics) ->
                assertThat(metrics)
                    .contains("enqueue/jobs-per-second")
                    .isSubsetOf("bulk-enqueue/jobs-per-second", "enqueue/jobs-per-second"));
    assertThat(run(folder, "queue-latency", "--rows", "5", "--rounds", "1", "--warm-ups", "0"))
        .isZero();
    assertThat(metricsOfContestants(folder.resolve("queue-latency.json")).get("pgbelay"))
        .containsExactlyInAnyOrder(
            "same-jvm/p50-ms", "same-jvm/p99-ms", "other-jvm/p50-ms", "other-jvm/p99-ms");
  }
}

package dev.pgbelay.benchmarks;

import static dev.pgbelay.benchmarks.BenchRun.metricsOfContestants;
import static dev.pgbelay.benchmarks.BenchRun.run;
import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Scenarios at a tiny size: every contestant does its work. Nothing is said about time. */
class LockingScenariosTest {
  @Test
  void scenariosOfHotRowsAndTheWitness_workIsVerified(@TempDir Path folder) throws Exception {
    int exit =
        run(
            folder,
            "hot-row",
            "hot-parent",
            "witness",
            "locking",
            "--rows",
            "32",
            "--rounds",
            "1",
            "--warm-ups",
            "0",
            "--repeats",
            "10");

    assertThat(exit).isZero();
    assertThat(metricsOfContestants(folder.resolve("hot-row.json")))
        .containsOnlyKeys(
            "limit",
            "pgbelay",
            "pgbelay, through Transactions",
            "one row, through Transactions",
            "slots by hand",
            "slots by hand, through Transactions",
            "a row for each writer")
        .allSatisfy(
            (contestant, metrics) -> assertThat(metrics).containsExactly("increments-per-second"));
    assertThat(metricsOfContestants(folder.resolve("hot-parent.json")))
        .containsOnlyKeys(
            "limit",
            "guard (cached)",
            "guard (exists)",
            "guard (locked)",
            "foreign key",
            "autocommit, nothing",
            "autocommit, foreign key")
        .allSatisfy(
            (contestant, metrics) ->
                assertThat(metrics)
                    .contains(
                        "not-locked/inserts-per-second",
                        "no-key-update-5ms/p99",
                        "change-key-5ms/p99",
                        "update-5ms/p99",
                        "update-50ms/parent-locks-per-second"));
    assertThat(metricsOfContestants(folder.resolve("locking.json")))
        .containsOnlyKeys(
            "limit",
            "pgbelay",
            "by hand, through Transactions",
            "one statement",
            "unordered, retry")
        .allSatisfy(
            (contestant, metrics) ->
                assertThat(metrics)
                    .containsExactlyInAnyOrder(
                        "pairs/transfers-per-second",
                        "pairs/longest",
                        "pairs/deadlocks",
                        "triples/transfers-per-second",
                        "triples/longest",
                        "triples/deadlocks"));
    assertThat(metricsOfContestants(folder.resolve("witness.json")))
        .containsOnlyKeys(
            "limit",
            "pgbelay (strict)",
            "pgbelay (sampled 1 %)",
            "pgbelay (sampled 1 %, hold limit)")
        .allSatisfy(
            (contestant, metrics) ->
                assertThat(metrics).containsExactly("transactions-per-second"));
  }
}

package dev.pgbelay.benchmarks;

import static dev.pgbelay.benchmarks.BenchRun.metricsOfContestants;
import static dev.pgbelay.benchmarks.BenchRun.run;
import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Scenarios at a tiny size: every contestant does its work. Nothing is said about time. */
class BatchingScenariosTest {
  @Test
  void everyScenarioOfBatchingAtTinySize_workIsVerified_andTheFileHasEveryContestant(
      @TempDir Path folder) throws Exception {
    int exit =
        run(
            folder,
            "insert",
            "upsert",
            "update",
            "loader",
            "coalescer",
            "round-trips",
            "chunks",
            "--rows",
            "1000",
            "--rounds",
            "1",
            "--warm-ups",
            "0");

    assertThat(exit).isZero();
    assertThat(metricsOfContestants(folder.resolve("insert.json")).keySet())
        .contains(
            "limit",
            "pgbelay",
            "pgbelay (unnest)",
            "hand-written unnest (10,000)",
            "PgBulkInsert",
            "addBatch (1,000)",
            "addBatch (1,000) + rewrite",
            "Spring batchUpdate (1,000)",
            "jOOQ batch (1,000)",
            "jOOQ multi-row (1,000)",
            "jOOQ loader (bulk 1,000)",
            "row at a time, autocommit");
    assertThat(metricsOfContestants(folder.resolve("insert.json")).get("pgbelay"))
        .containsExactlyInAnyOrder("rows-per-second", "live-heap-mib");
    assertThat(metricsOfContestants(folder.resolve("upsert.json")).keySet())
        .contains("limit", "pgbelay", "pgbelay (outcomes)", "pgbelay (unnest)");
    assertThat(metricsOfContestants(folder.resolve("update.json")).keySet())
        .contains("limit", "pgbelay", "pgbelay (unordered)", "addBatch (1,000)");
    assertThat(metricsOfContestants(folder.resolve("loader.json")).keySet())
        .contains("limit", "pgbelay", "row by row, JDBC", "row by row, jOOQ");
    assertThat(metricsOfContestants(folder.resolve("coalescer.json")).get("pgbelay"))
        .containsExactlyInAnyOrder("rows-per-second", "submit-p50", "submit-p99");
    assertThat(
            metricsOfContestants(folder.resolve("round-trips.json"))
                .get("1,000 statements, autocommit"))
        .containsExactlyInAnyOrder("loopback/rows-per-second", "1-ms-away/rows-per-second");
    assertThat(metricsOfContestants(folder.resolve("chunks.json")).get("one DELETE"))
        .contains("point-write-p50", "point-write-p99", "point-write-max");
  }
}

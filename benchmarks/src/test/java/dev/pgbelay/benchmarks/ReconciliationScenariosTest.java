package dev.pgbelay.benchmarks;

import static dev.pgbelay.benchmarks.BenchRun.metricsOfContestants;
import static dev.pgbelay.benchmarks.BenchRun.run;
import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Scenarios at a tiny size: every contestant does its work. Nothing is said about time. */
class ReconciliationScenariosTest {
  @Test
  void reconciliation_findsEveryOrphan_andDeletesEveryChild(@TempDir Path folder) throws Exception {
    int exit =
        run(
            folder,
            "guard",
            "checker",
            "cascade",
            "--rows",
            "4000",
            "--rounds",
            "1",
            "--warm-ups",
            "1");

    assertThat(exit).isZero();
    Map<String, Set<String>> guard = metricsOfContestants(folder.resolve("guard.json"));
    assertThat(guard)
        .containsOnlyKeys(
            "limit", "pgbelay (cached)", "pgbelay (exists)", "pgbelay (locked)", "by hand, locked");
    assertThat(guard.get("limit"))
        .containsExactlyInAnyOrder(
            "remembered/microseconds-per-key",
            "asked-1000/microseconds-per-key",
            "asked-1/microseconds-per-key");
    Map<String, Set<String>> checker = metricsOfContestants(folder.resolve("checker.json"));
    assertThat(checker)
        .containsOnlyKeys(
            "limit",
            "pgbelay",
            "pgbelay (incremental)",
            "pgbelay (throttled)",
            "one anti-join",
            "nobody checks");
    assertThat(checker.get("pgbelay"))
        .containsExactlyInAnyOrder(
            "rows-per-second",
            "orphans/rows-per-second",
            "changes/time",
            "orphans/changes/time",
            "beside/read-p99",
            "beside/write-p99",
            "live-heap-mib");
    Map<String, Set<String>> cascade = metricsOfContestants(folder.resolve("cascade.json"));
    assertThat(cascade)
        .containsOnlyKeys(
            "limit",
            "pgbelay",
            "pgbelay (a tenth of the time)",
            "pgbelay (at once)",
            "ON DELETE CASCADE");
    assertThat(cascade.get("pgbelay"))
        .containsExactlyInAnyOrder(
            "point-read-p99",
            "point-write-p99",
            "read-times-quiet",
            "write-times-quiet",
            "children-per-second",
            "whole-cascade");
  }
}

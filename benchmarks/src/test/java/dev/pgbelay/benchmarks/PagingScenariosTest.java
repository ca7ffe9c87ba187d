package dev.pgbelay.benchmarks;

import static dev.pgbelay.benchmarks.BenchRun.metricsOfContestants;
import static dev.pgbelay.benchmarks.BenchRun.run;
import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

/** Scenarios at a tiny size: every contestant does its work. Nothing is said about time. */
class PagingScenariosTest {
  @Test
  void everyScenarioAtTinySize_workIsVerified_andTheFileHasEveryContestant(@TempDir Path folder)
      throws Exception {
    int exit =
        run(
            folder,
            "paging",
            "export",
            "--rows",
            "12000",
            "--rounds",
            "1",
            "--warm-ups",
            "0",
            "--repeats",
            "2");

    assertThat(exit).isZero();
    Map<String, Set<String>> paging = metricsOfContestants(folder.resolve("paging.json"));
    assertThat(paging)
        .containsOnlyKeys(
            "limit",
            "pgbelay",
            "pgbelay (jOOQ records)",
            "pgbelay (built per request)",
            "hand-written redundant bound",
            "jOOQ seek",
            "jOOQ seek (redundant bound)",
            "Blaze-Persistence",
            "Spring Data JPA scroll",
            "hand-written OR",
            "OFFSET");
    assertThat(paging.values())
        .allSatisfy(
            metrics ->
                assertThat(metrics)
                    .containsExactlyInAnyOrder(
                        "uniform/page-1",
                        "uniform/page-100",
                        "mixed/page-1",
                        "mixed/page-100",
                        "low-cardinality/page-1",
                        "low-cardinality/page-100",
                        "nullable/page-1",
                        "nullable/page-100"));
    Map<String, Set<String>> export = metricsOfContestants(folder.resolve("export.json"));
    assertThat(export)
        .containsOnlyKeys(
            "limit",
            "pgbelay",
            "pgbelay (snapshot, 1 reader)",
            "pgbelay (snapshot, 2 readers)",
            "hand-written keyset loop",
            "hand-written keyset loop (10,000)",
            "server cursor (fetchSize 1,000)",
            "driver default (1M rows)");
    assertThat(export.values())
        .allSatisfy(
            metrics ->
                assertThat(metrics).containsExactlyInAnyOrder("rows-per-second", "live-heap-mib"));
  }

  @Test
  void transactions_workIsVerified_andTheFileHasEveryContestant(@TempDir Path folder)
      throws Exception {
    int exit = run(folder, "transactions", "--repeats", "3", "--rounds", "1", "--warm-ups", "0");

    assertThat(exit).isZero();
    Map<String, Set<String>> metrics = metricsOfContestants(folder.resolve("transactions.json"));
    assertThat(metrics)
        .containsOnlyKeys(
            "limit",
            "pgbelay",
            "pgbelay (deadline)",
            "Spring TransactionTemplate",
            "jOOQ transactionResult");
    assertThat(metrics.values())
        .allSatisfy(each -> assertThat(each).containsExactlyInAnyOrder("read", "write"));
  }

  @Test
  void unknownScenario_isRefusedByName() {
    assertThat(new CommandLine(new Bench()).execute("pagging"))
        .isEqualTo(CommandLine.ExitCode.USAGE);
  }
}

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
class IdempotencyScenariosTest {
  @Test
  void scenarioOfIdempotency_workIsVerified(@TempDir Path folder) throws Exception {
    assertThat(run(folder, "idempotency", "--rows", "40", "--rounds", "1", "--warm-ups", "0"))
        .isZero();
    Map<String, Set<String>> metrics = metricsOfContestants(folder.resolve("idempotency.json"));
    assertThat(metrics)
        .containsOnlyKeys(
            "limit",
            "pgbelay",
            "pgbelay (one statement)",
            "pgbelay (cache)",
            "pgbelay (payments)",
            "hand-written (one statement)",
            "hand-written (two statements)",
            "hand-written (three statements)",
            "hand-written (looks first)",
            "hand-written (two transactions)",
            "one keyed read");
    assertThat(metrics.get("limit"))
        .containsExactlyInAnyOrder("calls-per-second", "payment/claims-per-second");
    assertThat(metrics.get("pgbelay"))
        .containsExactlyInAnyOrder(
            "calls-per-second",
            "replays-per-second",
            "payment/claims-per-second",
            "duplicates/executions",
            "duplicates/connections-held-by-waiters",
            "duplicates/all-answered",
            "storage/bytes-per-key",
            "storage/purged-per-second");
    assertThat(metrics.get("pgbelay (one statement)"))
        .containsExactlyInAnyOrder("calls-per-second", "replays-per-second");
    assertThat(metrics.get("pgbelay (payments)"))
        .containsExactlyInAnyOrder("storage/bytes-per-key", "storage/purged-per-second");
    assertThat(metrics.get("pgbelay (cache)")).containsExactly("replays-per-second");
    assertThat(metrics.get("hand-written (two transactions)"))
        .containsExactlyInAnyOrder("payment/claims-per-second", "replays-per-second");
    assertThat(metrics.get("hand-written (three statements)"))
        .containsExactlyInAnyOrder(
            "calls-per-second",
            "replays-per-second",
            "duplicates/executions",
            "duplicates/connections-held-by-waiters",
            "duplicates/all-answered",
            "storage/bytes-per-key",
            "storage/purged-per-second");
  }
}

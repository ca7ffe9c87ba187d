package dev.pgbelay.benchmarks;

import static dev.pgbelay.benchmarks.BenchRun.metricsOfContestants;
import static dev.pgbelay.benchmarks.BenchRun.run;
import static dev.pgbelay.benchmarks.BenchRun.value;
import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Scenarios at a tiny size: every contestant does its work. Nothing is said about time. */
class RoutingScenariosTest {
  @Test
  void routing_readsWhatWasWritten_andNeedsNoRoundTripMore(@TempDir Path folder) throws Exception {
    int exit = run(folder, "routing", "--rows", "400", "--rounds", "1", "--warm-ups", "1");

    assertThat(exit).isZero();
    Map<String, Set<String>> metrics = metricsOfContestants(folder.resolve("routing.json"));
    assertThat(metrics).containsOnlyKeys("limit", "pgbelay");
    assertThat(metrics.get("limit"))
        .containsExactlyInAnyOrder(
            "read/median",
            "write/transactions-per-second",
            "round-trips/read",
            "round-trips/write",
            "share/reads-on-primary");
    assertThat(metrics.get("pgbelay"))
        .containsExactlyInAnyOrder(
            "read/median",
            "read/added",
            "write/transactions-per-second",
            "round-trips/read",
            "round-trips/write",
            "token/encode-and-verify",
            "waiting/heap-a-session",
            "waiting/probing-connections",
            "share/reads-on-primary");
    assertThat(value(folder.resolve("routing.json"), "pgbelay", "waiting/probing-connections"))
        .isEqualTo(1);
    for (String kind : List.of("round-trips/read", "round-trips/write")) {
      assertThat(value(folder.resolve("routing.json"), "pgbelay", kind))
          .isEqualTo(value(folder.resolve("routing.json"), "limit", kind));
    }
  }
}

package dev.pgbelay.benchmarks;

import static dev.pgbelay.benchmarks.BenchRun.metricsOfContestants;
import static dev.pgbelay.benchmarks.BenchRun.run;
import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Scenarios at a tiny size: every contestant does its work. Nothing is said about time. */
class OutboxScenariosTest {
  @Test
  void outboxes_deliverEachEventOnce(@TempDir Path folder) throws Exception {
    assertThat(run(folder, "outbox", "--rows", "1000", "--rounds", "1", "--warm-ups", "0"))
        .isZero();
    assertThat(metricsOfContestants(folder.resolve("outbox.json")))
        .containsOnlyKeys(
            "limit",
            "pgbelay",
            "no events",
            "hand-written (4 relays, no order)",
            "transaction-outbox")
        .allSatisfy(
            (contestant, metrics) -> assertThat(metrics).containsExactly("events-per-second"));
    assertThat(run(folder, "outbox-backlog", "--rows", "3000", "--rounds", "1", "--warm-ups", "0"))
        .isZero();
    assertThat(metricsOfContestants(folder.resolve("outbox-backlog.json")))
        .containsOnlyKeys(
            "limit", "pgbelay", "hand-written (4 relays, no order)", "transaction-outbox")
        .allSatisfy(
            (contestant, metrics) -> assertThat(metrics).containsExactly("events-per-second"));
  }

  @Test
  void latenciesOfTheOutbox_areOfAllContestants(@TempDir Path folder) throws Exception {
    assertThat(run(folder, "outbox-latency", "--rows", "5", "--rounds", "1", "--warm-ups", "0"))
        .isZero();
    Map<String, Set<String>> metrics = metricsOfContestants(folder.resolve("outbox-latency.json"));
    assertThat(metrics)
        .containsOnlyKeys(
            "limit",
            "pgbelay",
            "pgbelay (strict order)",
            "hand-written (and a read)",
            "transaction-outbox");
    for (String contestant : List.of("limit", "pgbelay")) {
      assertThat(metrics.get(contestant))
          .containsExactlyInAnyOrder(
              "same-jvm/p50-ms",
              "same-jvm/p99-ms",
              "other-jvm/p50-ms",
              "other-jvm/p99-ms",
              "producer/p50-ms");
    }
    assertThat(metrics.get("pgbelay (strict order)")).containsExactly("producer/p50-ms");
    assertThat(metrics.get("hand-written (and a read)"))
        .containsExactlyInAnyOrder("other-jvm/p50-ms", "other-jvm/p99-ms", "producer/p50-ms");
    assertThat(metrics.get("transaction-outbox"))
        .containsExactlyInAnyOrder("same-jvm/p50-ms", "same-jvm/p99-ms", "producer/p50-ms");
  }

  @Test
  void outboxToKafka_sendsEachMessageOnce(@TempDir Path folder) throws Exception {
    assertThat(run(folder, "outbox-kafka", "--rows", "2000", "--rounds", "1", "--warm-ups", "0"))
        .isZero();
    assertThat(metricsOfContestants(folder.resolve("outbox-kafka.json")))
        .containsOnlyKeys(
            "limit", "pgbelay", "pgbelay (one call at a time)", "pgbelay (publisher alone)")
        .allSatisfy(
            (contestant, metrics) ->
                assertThat(metrics).containsExactly("kafka/messages-per-second"));
  }
}

package dev.pgbelay.benchmarks;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

/** Every scenario at a tiny size: every contestant does its work. Nothing is said about time. */
class ScenariosTest {
  private static final String ROWS = "12000";

  @Test
  void everyScenarioAtTinySize_workIsVerified_andTheFileHasEveryContestant(@TempDir Path folder)
      throws Exception {
    int exit =
        new CommandLine(new Bench())
            .execute(
                "paging",
                "export",
                "--rows",
                ROWS,
                "--rounds",
                "1",
                "--warm-ups",
                "0",
                "--repeats",
                "2",
                "--results",
                folder.toString());

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
    int exit =
        new CommandLine(new Bench())
            .execute(
                "transactions",
                "--repeats",
                "3",
                "--rounds",
                "1",
                "--warm-ups",
                "0",
                "--results",
                folder.toString());

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
  void everyScenarioOfBatchingAtTinySize_workIsVerified_andTheFileHasEveryContestant(
      @TempDir Path folder) throws Exception {
    int exit =
        new CommandLine(new Bench())
            .execute(
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
                "0",
                "--results",
                folder.toString());

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

  @Test
  void scenariosOfHotRowsAndTheWitness_workIsVerified(@TempDir Path folder) throws Exception {
    int exit =
        new CommandLine(new Bench())
            .execute(
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
                "10",
                "--results",
                folder.toString());

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

  @Test
  void scenariosOfTheJobQueue_workIsVerified(@TempDir Path folder) throws Exception {
    assertThat(run(folder, "queue", "3000")).isZero();
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
    assertThat(run(folder, "queue-enqueue", "1000")).isZero();
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
    assertThat(run(folder, "queue-latency", "5")).isZero();
    assertThat(metricsOfContestants(folder.resolve("queue-latency.json")).get("pgbelay"))
        .containsExactlyInAnyOrder(
            "same-jvm/p50-ms", "same-jvm/p99-ms", "other-jvm/p50-ms", "other-jvm/p99-ms");
  }

  @Test
  void outboxes_deliverEachEventOnce(@TempDir Path folder) throws Exception {
    assertThat(run(folder, "outbox", "1000")).isZero();
    assertThat(metricsOfContestants(folder.resolve("outbox.json")))
        .containsOnlyKeys(
            "limit",
            "pgbelay",
            "no events",
            "hand-written (4 relays, no order)",
            "transaction-outbox")
        .allSatisfy(
            (contestant, metrics) -> assertThat(metrics).containsExactly("events-per-second"));
    assertThat(run(folder, "outbox-backlog", "3000")).isZero();
    assertThat(metricsOfContestants(folder.resolve("outbox-backlog.json")))
        .containsOnlyKeys(
            "limit", "pgbelay", "hand-written (4 relays, no order)", "transaction-outbox")
        .allSatisfy(
            (contestant, metrics) -> assertThat(metrics).containsExactly("events-per-second"));
  }

  @Test
  void latenciesOfTheOutbox_areOfAllContestants(@TempDir Path folder) throws Exception {
    assertThat(run(folder, "outbox-latency", "5")).isZero();
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
    assertThat(run(folder, "outbox-kafka", "2000")).isZero();
    assertThat(metricsOfContestants(folder.resolve("outbox-kafka.json")))
        .containsOnlyKeys(
            "limit", "pgbelay", "pgbelay (one call at a time)", "pgbelay (publisher alone)")
        .allSatisfy(
            (contestant, metrics) ->
                assertThat(metrics).containsExactly("kafka/messages-per-second"));
  }

  @Test
  void scenarioOfIdempotency_workIsVerified(@TempDir Path folder) throws Exception {
    assertThat(run(folder, "idempotency", "40")).isZero();
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

  @Test
  void routing_readsWhatWasWritten_andNeedsNoRoundTripMore(@TempDir Path folder) throws Exception {
    int exit =
        new CommandLine(new Bench())
            .execute(
                "routing",
                "--rows",
                "400",
                "--rounds",
                "1",
                "--warm-ups",
                "1",
                "--results",
                folder.toString());

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

  @Test
  void reconciliation_findsEveryOrphan_andDeletesEveryChild(@TempDir Path folder) throws Exception {
    int exit =
        new CommandLine(new Bench())
            .execute(
                "guard",
                "checker",
                "cascade",
                "--rows",
                "4000",
                "--rounds",
                "1",
                "--warm-ups",
                "1",
                "--results",
                folder.toString());

    assertThat(exit).isZero();
    Map<String, Set<String>> guard = metricsOfContestants(folder.resolve("guard.json"));
    assertThat(guard)
        .containsOnlyKeys("limit", "pgbelay (cached)", "pgbelay (exists)", "pgbelay (locked)");
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
            "changes/time",
            "beside/read-p99",
            "beside/write-p99",
            "live-heap-mib");
    Map<String, Set<String>> cascade = metricsOfContestants(folder.resolve("cascade.json"));
    assertThat(cascade).containsOnlyKeys("limit", "pgbelay", "ON DELETE CASCADE");
    assertThat(cascade.get("pgbelay"))
        .containsExactlyInAnyOrder("point-read-p99", "point-write-p99", "children-per-second");
  }

  private static double value(Path file, String contestant, String metric) throws Exception {
    for (JsonNode line : new ObjectMapper().readTree(file.toFile())) {
      if (line.get("contestant").textValue().equals(contestant)
          && line.get("metric").textValue().equals(metric)) {
        return line.get("value").doubleValue();
      }
    }
    throw new AssertionError("no " + metric + " of " + contestant);
  }

  private static int run(Path folder, String scenario, String rows) {
    return new CommandLine(new Bench())
        .execute(
            scenario,
            "--rows",
            rows,
            "--rounds",
            "1",
            "--warm-ups",
            "0",
            "--results",
            folder.toString());
  }

  @Test
  void unknownScenario_isRefusedByName() {
    assertThat(new CommandLine(new Bench()).execute("pagging"))
        .isEqualTo(CommandLine.ExitCode.USAGE);
  }

  private static Map<String, Set<String>> metricsOfContestants(Path file) throws Exception {
    Map<String, Set<String>> metrics = new HashMap<>();
    for (JsonNode line : new ObjectMapper().readTree(file.toFile())) {
      assertThat(line.fieldNames())
          .toIterable()
          .containsExactly("scenario", "contestant", "metric", "value", "unit", "ratio");
      if (mayBeZero(line)) {
        assertThat(line.get("value").doubleValue()).isNotNegative();
      } else {
        assertThat(line.get("value").doubleValue()).as(line.toString()).isPositive();
      }
      assertThat(line.get("ratio").isNumber() || isUnknownToLimit(line)).isTrue();
      metrics
          .computeIfAbsent(line.get("contestant").textValue(), contestant -> new HashSet<>())
          .add(line.get("metric").textValue());
    }
    return metrics;
  }

  /**
   * A multixact needs two who insert at the same time, which a run this short need not see, and
   * nobody but the unordered contestant deadlocks at all; waiters need not hold a connection; a
   * routed read may cost nothing more, and none need go to the primary; a checker may leave no
   * garbage behind.
   */
  private static boolean mayBeZero(JsonNode line) {
    String metric = line.get("metric").textValue();
    return metric.endsWith("multixacts-per-insert")
        || metric.endsWith("/deadlocks")
        || metric.endsWith("connections-held-by-waiters")
        || metric.equals("read/added")
        || metric.equals("waiting/heap-a-session")
        || (metric.equals("live-heap-mib") && line.get("scenario").textValue().equals("checker"))
        || metric.equals("share/reads-on-primary");
  }

  /**
   * While nobody deletes, there is no rate of deletions; without a foreign key no multixacts; in
   * order no deadlocks; without a guard neither replays nor duplicates; without a router no tokens
   * and nobody who waits; the limit of a checker is not run beside others, and that of a cascade
   * deletes nothing.
   */
  private static boolean isUnknownToLimit(JsonNode line) {
    return (line.get("scenario").textValue().equals("chunks")
            && line.get("metric").textValue().equals("rows-per-second"))
        || line.get("scenario").textValue().equals("idempotency")
        || line.get("metric").textValue().startsWith("token/")
        || line.get("metric").textValue().startsWith("waiting/")
        || line.get("metric").textValue().startsWith("beside/")
        || line.get("metric").textValue().equals("children-per-second")
        || mayBeZero(line);
  }
}

package dev.pgbelay.benchmarks;

import dev.pgbelay.benchmarks.chunks.ChunksScenario;
import dev.pgbelay.benchmarks.export.ExportScenario;
import dev.pgbelay.benchmarks.hotparent.HotParentScenario;
import dev.pgbelay.benchmarks.hotrow.HotRowScenario;
import dev.pgbelay.benchmarks.idempotency.IdempotencyScenario;
import dev.pgbelay.benchmarks.kafka.OutboxKafkaScenario;
import dev.pgbelay.benchmarks.locking.LockingScenario;
import dev.pgbelay.benchmarks.outbox.OutboxBacklogScenario;
import dev.pgbelay.benchmarks.outbox.OutboxLatencyScenario;
import dev.pgbelay.benchmarks.outbox.OutboxScenario;
import dev.pgbelay.benchmarks.paging.PagingScenario;
import dev.pgbelay.benchmarks.queue.QueueEnqueueScenario;
import dev.pgbelay.benchmarks.queue.QueueLatencyScenario;
import dev.pgbelay.benchmarks.queue.QueuePinnedScenario;
import dev.pgbelay.benchmarks.queue.QueueScenario;
import dev.pgbelay.benchmarks.queue.QueueSoakScenario;
import dev.pgbelay.benchmarks.reads.LoaderScenario;
import dev.pgbelay.benchmarks.reconcile.CascadeScenario;
import dev.pgbelay.benchmarks.reconcile.CheckerScenario;
import dev.pgbelay.benchmarks.reconcile.GuardScenario;
import dev.pgbelay.benchmarks.routing.RoutingScenario;
import dev.pgbelay.benchmarks.transactions.TransactionsScenario;
import dev.pgbelay.benchmarks.witness.WitnessScenario;
import dev.pgbelay.benchmarks.writes.CoalescerScenario;
import dev.pgbelay.benchmarks.writes.InsertScenario;
import dev.pgbelay.benchmarks.writes.RoundTripsScenario;
import dev.pgbelay.benchmarks.writes.UpdateScenario;
import dev.pgbelay.benchmarks.writes.UpsertScenario;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.logging.Level;
import java.util.logging.Logger;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** The command behind {@code ./bench}. */
@Command(
    name = "bench",
    mixinStandardHelpOptions = true,
    description =
        "Measures pgbelay side by side with hand-written JDBC (the contestant 'limit') and with what"
            + " people use today. Needs a quiet machine: anything else that runs shows in the figures.")
public final class Bench implements Callable<Integer> {
  private static final List<Scenario> SCENARIOS =
      List.of(
          new TransactionsScenario(),
          new PagingScenario(),
          new ExportScenario(),
          new InsertScenario(),
          new UpsertScenario(),
          new UpdateScenario(),
          new LoaderScenario(),
          new CoalescerScenario(),
          new RoundTripsScenario(),
          new LockingScenario(),
          new ChunksScenario(),
          new HotRowScenario(),
          new HotParentScenario(),
          new WitnessScenario(),
          new IdempotencyScenario(),
          new QueueScenario(),
          new QueueEnqueueScenario(),
          new QueueLatencyScenario(),
          new QueueSoakScenario(),
          new QueuePinnedScenario(),
          new OutboxScenario(),
          new OutboxBacklogScenario(),
          new OutboxLatencyScenario(),
          new OutboxKafkaScenario(),
          new RoutingScenario(),
          new GuardScenario(),
          new CheckerScenario(),
          new CascadeScenario());

  @Parameters(
      arity = "0..*",
      paramLabel = "SCENARIO",
      description = "what to measure; --list shows the choice")
  private List<String> names = new ArrayList<>();

  @Option(
      names = "--rounds",
      defaultValue = "5",
      description = "measured rounds (default: ${DEFAULT-VALUE})")
  private int rounds = 5;

  @Option(
      names = "--warm-ups",
      defaultValue = "1",
      description = "rounds thrown away before them (default: ${DEFAULT-VALUE})")
  private int warmUps = 1;

  @Option(names = "--rows", description = "rows loaded (default: the scenario's)")
  private @Nullable Long rows;

  @Option(
      names = "--repeats",
      defaultValue = "300",
      description =
          "how often a short operation is repeated in a round at most (default: ${DEFAULT-VALUE})")
  private int repeats = 300;

  @Option(names = "--full", description = "the scenario's large size")
  private boolean full;

  @Option(names = "--list", description = "list the scenarios and stop")
  private boolean list;

  @Option(
      names = "--only",
      paramLabel = "CONTESTANT",
      description = "run only contestants whose name contains this (repeatable); limit always runs")
  private List<String> only = new ArrayList<>();

  @Option(
      names = "--results",
      paramLabel = "FOLDER",
      defaultValue = "benchmarks/target/results",
      description = "where the JSON goes (default: ${DEFAULT-VALUE})")
  private Path results = Path.of("benchmarks/target/results");

  @Spec private @Nullable CommandSpec spec;

  public static void main(String[] args) {
    int exit = new CommandLine(new Bench()).execute(args);
    System.exit(exit);
  }

  @Override
  public Integer call() throws Exception {
    if (list || names.isEmpty()) {
      for (Scenario scenario : SCENARIOS) {
        System.out.printf("%-12s %s%n", scenario.name(), scenario.description());
      }
      return list ? 0 : CommandLine.ExitCode.USAGE;
    }
    // Hibernate and Blaze-Persistence introduce themselves through java.util.logging.
    Logger.getLogger("").setLevel(Level.SEVERE);
    List<Scenario> chosen = new LinkedHashSet<>(names).stream().map(this::scenario).toList();
    try (BenchServer server = BenchServer.start()) {
      say(server.description());
      for (Scenario scenario : chosen) {
        measure(scenario, server);
      }
    }
    return 0;
  }

  private void measure(Scenario scenario, BenchServer server) throws Exception {
    long size = rows == null ? scenario.defaultRows(full) : rows;
    BenchSettings settings = new BenchSettings(rounds, warmUps, size, repeats, only);
    say("%s: preparing %,d rows".formatted(scenario.name(), size));
    try (Stage stage = scenario.prepare(server, settings)) {
      List<Result> measured = new Rounds(scenario.name(), settings, Bench::say).run(stage);
      Path file = new ResultFiles(results).write(scenario.name(), measured);
      System.out.printf(
          "%n%s: %,d rows, %d rounds after %d warm-up; median (median ratio to limit) [lowest-highest"
              + " ratio]%n%n%s",
          scenario.name(), size, rounds, warmUps, ResultTable.render(measured));
      stage.notes().forEach(note -> System.out.println("- " + note));
      System.out.println("- written to " + file);
    }
  }

  private Scenario scenario(String name) {
    return SCENARIOS.stream()
        .filter(scenario -> scenario.name().equals(name))
        .findFirst()
        .orElseThrow(
            () ->
                new ParameterException(
                    spec().commandLine(),
                    "There is no scenario '" + name + "'; ./bench --list shows those there are."));
  }

  private CommandSpec spec() {
    if (spec == null) {
      throw new IllegalStateException("picocli has not parsed a command line yet");
    }
    return spec;
  }

  private static void say(String line) {
    System.err.println(line);
  }
}

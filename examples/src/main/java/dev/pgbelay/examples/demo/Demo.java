package dev.pgbelay.examples.demo;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.examples.demo.batching.BatchingScenario;
import dev.pgbelay.examples.demo.keyset.KeysetScenario;
import dev.pgbelay.examples.demo.locking.LockingScenario;
import dev.pgbelay.examples.demo.orders.OrderLoader;
import dev.pgbelay.examples.demo.outbox.OutboxScenario;
import dev.pgbelay.examples.demo.payment.PaymentScenario;
import dev.pgbelay.examples.demo.queue.QueueScenario;
import dev.pgbelay.examples.demo.reconcile.ReconcileScenario;
import dev.pgbelay.examples.demo.report.ConsoleTable;
import dev.pgbelay.examples.demo.report.Report;
import dev.pgbelay.examples.demo.report.ReportFiles;
import dev.pgbelay.examples.demo.report.ScenarioResult;
import dev.pgbelay.examples.demo.routing.RoutingScenario;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** The demo's command line. */
@Command(
    name = "./demo",
    sortOptions = false,
    description = {
      "Runs the habits that break against pgbelay's patterns: on production-shaped orders, on a"
          + " real PostgreSQL primary and replica that live as long as the run.",
      "Prints a table and writes report.json and index.html."
    })
public final class Demo implements Callable<Integer> {
  private static final List<DemoScenario> SCENARIOS =
      List.of(
          new KeysetScenario(),
          new BatchingScenario(),
          new LockingScenario(),
          new QueueScenario(),
          new PaymentScenario(),
          new OutboxScenario(),
          new RoutingScenario(),
          new ReconcileScenario());
  private static final long FEWEST_ROWS = 10_000;
  private static final long MOST_ROWS = 100_000_000;

  @Spec private CommandSpec spec = CommandSpec.create();

  @Option(
      names = "--rows",
      paramLabel = "N",
      defaultValue = "1000000",
      description = "Orders to load (default: ${DEFAULT-VALUE}).")
  private long rows;

  @Option(
      names = "--only",
      paramLabel = "NAME",
      split = ",",
      description = "Run only these scenarios; see --list.")
  private List<String> only = List.of();

  @Option(
      names = "--seed",
      paramLabel = "N",
      defaultValue = "20261120",
      description = "Seed of the data and the writers (default: ${DEFAULT-VALUE}).")
  private long seed;

  @Option(names = "--list", description = "List the scenarios and leave.")
  private boolean list;

  @Option(
      names = "--out",
      paramLabel = "DIR",
      defaultValue = "examples/target/demo",
      description = "Where report.json and index.html go (default: ${DEFAULT-VALUE}).")
  private Path out = Path.of("");

  @Option(names = "--live", hidden = true, description = "Standard output is a terminal.")
  private boolean live;

  @Option(
      names = {"-h", "--help"},
      usageHelp = true,
      description = "Show this help and leave.")
  @SuppressWarnings("UnusedVariable") // picocli acts on it
  private boolean help;

  private final PrintStream console;

  Demo(PrintStream console) {
    this.console = console;
  }

  public static void main(String[] args) {
    PrintStream console = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    Thread announcement = Shutdown.announceOn(console);
    int exitCode = run(console, args);
    if (!Shutdown.begunWithin(Duration.ZERO)) {
      Runtime.getRuntime().removeShutdownHook(announcement);
      System.exit(exitCode);
    }
  }

  /** Runs the command and returns its exit code. */
  static int run(PrintStream console, String... args) {
    return commandLine(console).execute(args);
  }

  static CommandLine commandLine(PrintStream console) {
    return new CommandLine(new Demo(console))
        .setExecutionExceptionHandler((failure, command, parsed) -> explain(failure, command));
  }

  private static int explain(Exception failure, CommandLine command) throws Exception {
    if (Shutdown.begunWithin(Duration.ofMillis(300))) {
      return command.getCommandSpec().exitCodeOnExecutionException();
    }
    if (failure instanceof DemoException) {
      command.getErr().println("demo: " + failure.getMessage());
      return command.getCommandSpec().exitCodeOnExecutionException();
    }
    throw failure;
  }

  @Override
  public Integer call() throws Exception {
    if (list) {
      SCENARIOS.forEach(s -> console.printf("%-10s %s%n", s.id(), s.summary()));
      return 0;
    }
    List<DemoScenario> chosen = chosen();
    if (rows < FEWEST_ROWS || rows > MOST_ROWS) {
      throw new ParameterException(
          spec.commandLine(),
          "--rows " + rows + " is not between " + FEWEST_ROWS + " and " + MOST_ROWS);
    }
    Preflight.check(DemoServers.directory(), rows);
    Progress progress = new Progress(console, live);
    progress.say("Starting a PostgreSQL primary and a replica …");
    try (DemoServers servers = DemoServers.start()) {
      Report report = run(servers, chosen, progress);
      Path page = new ReportFiles(out).write(report);
      report.scenarios().forEach(scenario -> console.println(ConsoleTable.of(scenario)));
      console.println("Page:    " + page.toAbsolutePath().normalize().toUri());
      console.println(
          "Figures: " + page.resolveSibling("report.json").toAbsolutePath().normalize());
    }
    return 0;
  }

  private Report run(DemoServers servers, List<DemoScenario> chosen, Progress progress)
      throws Exception {
    long loadStart = System.nanoTime();
    new OrderLoader(servers.primary(), rows, seed).load(progress);
    servers.awaitReplica();
    Duration loadTime = Duration.ofNanos(System.nanoTime() - loadStart);
    DemoContext context =
        new DemoContext(
            servers.primary(),
            servers.dataSource(),
            Transactions.of(servers.dataSource()),
            servers.replica(),
            rows,
            seed,
            progress);
    List<ScenarioResult> results = new ArrayList<>();
    for (DemoScenario scenario : chosen) {
      results.add(scenario.run(context));
    }
    return new Report(
        servers.clock(),
        servers.version(),
        System.getProperty("java.version", "unknown"),
        Runtime.getRuntime().availableProcessors(),
        rows,
        seed,
        loadTime,
        command(),
        results);
  }

  private String command() {
    String selection = only.isEmpty() ? "" : " --only " + String.join(",", only);
    return "./demo --rows " + rows + " --seed " + seed + selection;
  }

  private List<DemoScenario> chosen() {
    List<String> known = SCENARIOS.stream().map(DemoScenario::id).toList();
    @Nullable String unknown =
        only.stream().filter(name -> !known.contains(name)).findFirst().orElse(null);
    if (unknown != null) {
      throw new ParameterException(
          spec.commandLine(),
          "--only "
              + unknown
              + ": no such scenario. Known: "
              + known.stream().collect(Collectors.joining(", ")));
    }
    return SCENARIOS.stream().filter(s -> only.isEmpty() || only.contains(s.id())).toList();
  }
}

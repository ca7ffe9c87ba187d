package dev.pgbelay.reconcilecli;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.reconcile.Declaration;
import dev.pgbelay.reconcile.Declarations;
import dev.pgbelay.reconcile.report.Verdict;
import java.io.PrintWriter;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** What all commands have in common: their source, their database, and two ways to tell. */
abstract class DatabaseCommand implements Callable<Integer> {
  @Spec private @Nullable CommandSpec spec;

  @Option(
      names = "--declarations",
      paramLabel = "CLASS",
      description = "The DeclarationsSource; unless given, the one that is registered.")
  private @Nullable String source;

  @Option(
      names = "--schema",
      paramLabel = "NAME",
      description = "Where the library's tables are; ${DEFAULT-VALUE} unless given.")
  String schema = SchemaInstaller.DEFAULT_SCHEMA;

  @Option(names = "--json", description = "Write JSON instead of text.")
  private boolean json;

  /** What a command was given to work with. */
  record Given(Transactions transactions, DeclarationsSource source, Declarations declarations) {
    /** Those that were named, or all. */
    List<Declaration> chosen(List<String> names) {
      if (names.isEmpty()) {
        return declarations.all();
      }
      return names.stream()
          .map(
              name ->
                  declarations
                      .find(name)
                      .orElseThrow(
                          () ->
                              Refusal.ofArguments(
                                  "no declaration '%s'; there are %s"
                                      .formatted(
                                          name,
                                          declarations.all().stream()
                                              .map(Declaration::name)
                                              .toList()))))
          .toList();
    }
  }

  @Override
  public final Integer call() {
    DeclarationsSource found = Sources.find(java.util.Optional.ofNullable(source));
    try (Database database = Database.open(System.getenv())) {
      return work(new Given(database.transactions(), found, found.declarations())).exitCode();
    }
  }

  abstract Verdict work(Given given);

  void tell(Supplier<String> asText, Supplier<String> asJson) {
    PrintWriter out = java.util.Objects.requireNonNull(spec).commandLine().getOut();
    out.println(json ? asJson.get() : asText.get());
    out.flush();
  }
}

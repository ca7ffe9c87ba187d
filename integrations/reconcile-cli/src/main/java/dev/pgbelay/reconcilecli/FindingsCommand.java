package dev.pgbelay.reconcilecli;

import dev.pgbelay.core.TxOptions;
import dev.pgbelay.reconcile.Declaration;
import dev.pgbelay.reconcile.check.Finding;
import dev.pgbelay.reconcile.check.Findings;
import dev.pgbelay.reconcile.report.ReportJson;
import dev.pgbelay.reconcile.report.ReportText;
import dev.pgbelay.reconcile.report.Verdict;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

@Command(
    name = "findings",
    mixinStandardHelpOptions = true,
    description = "Lists findings with their evidence, which is data of the tables.")
final class FindingsCommand extends DatabaseCommand {
  private static final TxOptions READ =
      TxOptions.builder()
          .path("reconcile-findings")
          .readOnly(true)
          .deadline(Duration.ofSeconds(30))
          .build();

  @Option(
      names = "--declaration",
      paramLabel = "NAME",
      description = "Only of this one; may be repeated.")
  private List<String> names = new ArrayList<>();

  @Option(
      names = "--state",
      description = "${COMPLETION-CANDIDATES}; ${DEFAULT-VALUE} unless given.")
  private Finding.State state = Finding.State.CONFIRMED;

  @Option(
      names = "--after",
      paramLabel = "ID",
      description = "Only findings with a larger id: the last one of the page before.")
  private long after;

  @Option(
      names = "--most",
      paramLabel = "COUNT",
      description = "Of each declaration, 1 to 10,000; ${DEFAULT-VALUE} unless given.")
  private int most = 1_000;

  @Override
  Verdict work(Given given) {
    if (most < 1 || most > 10_000) {
      throw Refusal.ofArguments("--most must be between 1 and 10000, is " + most);
    }
    List<Finding> all = new ArrayList<>();
    for (Declaration each : given.chosen(names)) {
      all.addAll(
          given
              .transactions()
              .run(READ, tx -> Findings.inSchema(schema).list(tx.dsl(), each, state, after, most)));
    }
    tell(() -> ReportText.of(all), () -> ReportJson.of(all));
    return state == Finding.State.CONFIRMED && !all.isEmpty() ? Verdict.FINDINGS : Verdict.CLEAN;
  }
}

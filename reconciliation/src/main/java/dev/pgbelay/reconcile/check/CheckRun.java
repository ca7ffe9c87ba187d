package dev.pgbelay.reconcile.check;

import dev.pgbelay.core.internal.MissingTable;
import dev.pgbelay.reconcile.Declaration;
import dev.pgbelay.reconcile.check.DeclarationReport.Outcome;
import dev.pgbelay.reconcile.check.FindingSql.Open;
import dev.pgbelay.reconcile.check.RunSql.Run;
import dev.pgbelay.reconcile.internal.Probe;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicReference;
import org.jooq.DSLContext;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** One declaration, from the first look to the report, on the thread that calls it. */
final class CheckRun {
  private static final Logger LOG = LoggerFactory.getLogger(CheckRun.class);
  private static final String TAKEN_BACK =
      "a crash of the server took back what had been looked at; the next run looks again";

  private final CheckPlan plan;
  private final Declaration declaration;
  private final RunSql runs;
  private final FindingSql findings;
  private Optional<String> whyFull = Optional.empty();
  private Optional<Instant> fullBefore = Optional.empty();
  private Run before = Run.NONE;
  private final long began = System.nanoTime();

  CheckRun(CheckPlan plan, Declaration declaration) {
    this.plan = plan;
    this.declaration = declaration;
    this.runs = new RunSql(plan.schema());
    this.findings = new FindingSql(plan.schema(), declaration);
  }

  /** The run as it was found, of which this call is not the author. */
  Run before() {
    return before;
  }

  DeclarationReport run() {
    try {
      return check();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return unfinished(null, "interrupted; the next run goes on");
    } catch (Scan.RunClosed e) {
      return report(
          Run.NONE, Outcome.HELD_ELSEWHERE, "another process ended the run", 0, 0, List.of());
    } catch (RuntimeException e) {
      RuntimeException told = explained(e);
      LOG.warn(
          "declaration '{}': the check failed, the next run goes on", declaration.name(), told);
      return unfinished(null, "failed, the next run goes on: " + told.getMessage());
    }
  }

  /** A table of the application may be missing as well. */
  private RuntimeException explained(RuntimeException failure) {
    Throwable first = failure;
    while (first.getCause() != null) {
      first = first.getCause();
    }
    return String.valueOf(first.getMessage()).contains("\"" + plan.schema() + ".")
        ? MissingTable.explained(failure, "runs and findings", "reconcile")
        : failure;
  }

  private DeclarationReport check() throws InterruptedException {
    Scan.Kept kept = new Scan.Kept(runs, findings);
    Opening.Begun begun = new Opening(plan, declaration, kept).begin();
    whyFull = begun.whyFull();
    fullBefore = begun.fullBefore();
    Run run = begun.run();
    before = run;
    Sight sight;
    try {
      sight = Sight.open(plan);
    } catch (Sight.Unfit e) {
      return unfinished(run, e.getMessage() + "; the next run goes on");
    }
    Scan scan =
        new Scan(plan, declaration, begun.probe(), kept, run, begun.walks(), begun.looked(), sight);
    Scan.End end;
    try {
      end = scan.look();
    } catch (Sight.Unfit e) {
      return unfinished(run, e.getMessage() + "; the next run goes on");
    }
    switch (end) {
      case HELD_ELSEWHERE -> {
        return report(run, Outcome.HELD_ELSEWHERE, "another checker is at it", 0, 0, List.of());
      }
      case OUT_OF_TIME -> {
        return unfinished(
            run,
            "the scan took longer than %s%s; the next run goes on"
                .formatted(
                    plan.scanWithin(),
                    scan.heldUpBy().map(by -> ", and was last held up by " + by).orElse("")));
      }
      case OUT_OF_ROWS -> {
        return unfinished(
            run,
            "the scan has read the %d rows of maxRows; the next run goes on"
                .formatted(plan.maxRows().orElseThrow()));
      }
      case INTERRUPTED -> {
        return unfinished(run, "interrupted; the next run goes on");
      }
      case CANCELLED, ALTERED -> {
        DeclarationReport report =
            unfinished(
                run,
                end == Scan.End.CANCELLED
                    ? "cancelled by an operator; the next run begins anew"
                    : "the key by which rows are walked has changed since the run began; the next run begins anew");
        plan.transactions()
            .execute(
                plan.brief(),
                tx ->
                    close(
                        tx.dsl(),
                        run,
                        Outcome.INCOMPLETE,
                        report.reason().orElseThrow(),
                        report.unsettled()));
        scan.forget();
        return report;
      }
      case WHOLE -> {
        Optional<Run> clean = scan.whole().filter(Run::isFinished);
        if (clean.isPresent()) {
          return report(clean.get(), Outcome.CLEAN, null, 0, 0, List.of());
        }
        DeclarationReport report = confirm(run, begun.probe());
        scan.forget();
        return report;
      }
    }
    throw new IllegalStateException("every end of a scan is known");
  }

  private DeclarationReport confirm(Run run, Probe probe) throws InterruptedException {
    AtomicReference<Open> seen = new AtomicReference<>();
    Optional<DeclarationReport> clean =
        plan.transactions()
            .run(
                plan.brief(),
                tx -> {
                  Open open = findings.open(tx.dsl());
                  seen.set(open);
                  return open.isEmpty()
                      ? Optional.of(end(tx.dsl(), run, new Confirmation.Result(List.of(), open)))
                      : Optional.empty();
                });
    if (clean.isPresent()) {
      return clean.get();
    }
    Confirmation.Result result =
        new Confirmation(plan, declaration, probe, runs, findings)
            .run(run.id(), Objects.requireNonNull(seen.get()));
    return plan.transactions().run(plan.brief(), tx -> end(tx.dsl(), run, result));
  }

  /** Closes the run. */
  private DeclarationReport end(DSLContext dsl, Run run, Confirmation.Result result) {
    Run end = runs.find(dsl, run.id());
    Open open = result.open();
    if (!end.isScanned()) {
      return report(end, Outcome.INCOMPLETE, TAKEN_BACK, 0, open.confirmed(), List.of());
    }
    String reason = result.whyIncomplete(end.notKept());
    Outcome outcome =
        reason != null
            ? Outcome.INCOMPLETE
            : open.confirmed() > 0 ? Outcome.FINDINGS : Outcome.CLEAN;
    close(dsl, run, outcome, reason, open.candidates());
    return report(end, outcome, reason, open.candidates(), open.confirmed(), result.blockers());
  }

  private void close(
      DSLContext dsl, Run run, Outcome outcome, @Nullable String reason, long unsettled) {
    if (!runs.close(dsl, run.id(), outcome, reason, unsettled)) {
      throw new Scan.RunClosed();
    }
  }

  private DeclarationReport unfinished(@Nullable Run run, String reason) {
    Run known = run == null ? Run.NONE : fresh(run);
    return report(known, Outcome.INCOMPLETE, reason, known.kept(), confirmedByOthers(), List.of());
  }

  /** What is known to be wrong is so however this run ended; 0 where nobody can be asked. */
  private long confirmedByOthers() {
    try {
      return plan.transactions().run(plan.brief(), tx -> findings.open(tx.dsl())).confirmed();
    } catch (RuntimeException e) {
      LOG.debug("declaration '{}': open findings are not known", declaration.name(), e);
      return 0;
    }
  }

  private Run fresh(Run run) {
    return plan.transactions().run(plan.brief(), tx -> runs.find(tx.dsl(), run.id()));
  }

  private DeclarationReport report(
      Run run,
      Outcome outcome,
      @Nullable String reason,
      long unsettled,
      long open,
      List<Blocker> blockers) {
    long read = run.checked() + run.skipped();
    Long estimated = run.estimated();
    long inScope = run.isScanned() || estimated == null ? read : Math.max(read, estimated);
    return new DeclarationReport(
        declaration.name(),
        outcome,
        run.mode(),
        whyFull,
        lastFullScan(run),
        inScope,
        inScope - read,
        run.checked(),
        run.skipped(),
        run.candidates(),
        run.notKept(),
        run.confirmed(),
        run.resolved(),
        unsettled,
        open,
        Duration.ofNanos(System.nanoTime() - began),
        Optional.ofNullable(reason),
        blockers);
  }

  /** Nobody else ends a run meanwhile: there is one at a time. */
  private Optional<Instant> lastFullScan(Run run) {
    if (run.equals(Run.NONE)) {
      return Optional.empty();
    }
    return run.isWholeAndFull() ? Optional.ofNullable(run.startedAt()) : fullBefore;
  }
}

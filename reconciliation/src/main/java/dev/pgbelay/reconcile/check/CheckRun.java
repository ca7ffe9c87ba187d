package dev.pgbelay.reconcile.check;

import dev.pgbelay.core.internal.MissingTable;
import dev.pgbelay.reconcile.Declaration;
import dev.pgbelay.reconcile.check.DeclarationReport.Outcome;
import dev.pgbelay.reconcile.check.FindingSql.Open;
import dev.pgbelay.reconcile.check.RunSql.Run;
import dev.pgbelay.reconcile.check.WalkSql.Walk;
import dev.pgbelay.reconcile.internal.CatalogSql;
import dev.pgbelay.reconcile.internal.Probe;
import dev.pgbelay.reconcile.internal.ProbeSql;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import org.jooq.DSLContext;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** One declaration, from the first look to the report, on the thread that calls it. */
final class CheckRun {
  private static final Logger LOG = LoggerFactory.getLogger(CheckRun.class);
  private static final String DECLARED_OTHERWISE =
      "the declarations have another version now; a run of theirs begins anew";

  private final CheckPlan plan;
  private final Declaration declaration;
  private final RunSql runs;
  private final FindingSql findings;
  private final ChangesSql changes;
  private Optional<String> whyFull = Optional.empty();
  private Run before = Run.NONE;
  private final long began = System.nanoTime();

  CheckRun(CheckPlan plan, Declaration declaration) {
    this.plan = plan;
    this.declaration = declaration;
    this.runs = new RunSql(plan.schema());
    this.changes = new ChangesSql(plan.schema());
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
      RuntimeException told = MissingTable.explained(e, "runs and findings", "reconcile");
      LOG.warn(
          "declaration '{}': the check failed, the next run goes on", declaration.name(), told);
      return unfinished(null, "failed, the next run goes on: " + told.getMessage());
    }
  }

  private DeclarationReport check() throws InterruptedException {
    Probe probe =
        plan.transactions()
            .run(
                plan.brief(),
                tx ->
                    ProbeSql.of(
                        declaration,
                        ProbeSql.walked(declaration)
                            .flatMap(table -> CatalogSql.find(tx.dsl(), table))));
    Run run = open();
    List<Walk> walks = plan.transactions().run(plan.brief(), tx -> walks(tx.dsl(), probe, run));
    Sight sight;
    try {
      sight = Sight.open(plan);
    } catch (Sight.Unfit e) {
      return unfinished(run, e.getMessage() + "; the next run goes on");
    }
    Scan scan =
        new Scan(plan, declaration, probe, new Scan.Kept(runs, findings), run, walks, sight);
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
            run, "the scan took longer than " + plan.scanWithin() + "; the next run goes on");
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
      case CANCELLED -> {
        DeclarationReport report =
            unfinished(run, "cancelled by an operator; the next run begins anew");
        close(run, Outcome.INCOMPLETE, report.reason().orElseThrow(), report.unsettled());
        scan.forget();
        return report;
      }
      case WHOLE -> {
        plan.transactions().execute(plan.brief(), tx -> runs.scanned(tx.dsl(), run.id()));
        DeclarationReport report = confirm(run, probe);
        scan.forget();
        return report;
      }
    }
    throw new IllegalStateException("every end of a scan is known");
  }

  private List<Walk> walks(DSLContext dsl, Probe probe, Run run) {
    List<Walk> walks = WalkSql.of(dsl, declaration, probe, run);
    if (run.estimated() == null && !walks.isEmpty()) {
      runs.estimate(dsl, run.id(), walks.stream().mapToLong(each -> each.estimate(dsl)).sum());
    }
    return walks;
  }

  /** The run that is open, or a new one. */
  private Run open() {
    Optional<Run> open = find();
    if (open.isPresent() && !open.get().version().equals(plan.declarations().version())) {
      close(open.get(), Outcome.INCOMPLETE, DECLARED_OTHERWISE, 0);
      open = Optional.empty();
    }
    if (open.isEmpty()) {
      plan.transactions()
          .execute(
              plan.brief(),
              tx -> {
                Beginning beginning = Beginning.of(plan, declaration, changes, tx.dsl());
                whyFull = beginning.whyFull();
                runs.open(tx.dsl(), declaration.name(), plan.declarations().version(), beginning);
              });
      open = find();
    } else if (plan.fullScanEvery().isPresent() && open.get().changedFrom() == null) {
      whyFull = Optional.of("an unfinished run over every row is gone on with");
    }
    before = open.orElseThrow(Scan.RunClosed::new);
    return before;
  }

  private Optional<Run> find() {
    return plan.transactions().run(plan.brief(), tx -> runs.findOpen(tx.dsl(), declaration.name()));
  }

  private DeclarationReport confirm(Run run, Probe probe) throws InterruptedException {
    Confirmation.Result result =
        new Confirmation(plan, declaration, probe, runs, findings).run(run.id());
    Run end = plan.transactions().run(plan.brief(), tx -> runs.find(tx.dsl(), run.id()));
    Open open = result.open();
    String reason = incomplete(end, result);
    Outcome outcome =
        reason != null
            ? Outcome.INCOMPLETE
            : open.confirmed() > 0 ? Outcome.FINDINGS : Outcome.CLEAN;
    close(run, outcome, reason, open.candidates());
    return report(end, outcome, reason, open.candidates(), open.confirmed(), result.blockers());
  }

  private void close(Run run, Outcome outcome, @Nullable String reason, long unsettled) {
    boolean closed =
        plan.transactions()
            .run(plan.brief(), tx -> runs.close(tx.dsl(), run.id(), outcome, reason, unsettled));
    if (!closed) {
      throw new Scan.RunClosed();
    }
  }

  private static @Nullable String incomplete(Run run, Confirmation.Result result) {
    if (!result.blockers().isEmpty()) {
      return "candidates could not be confirmed, since transactions have not ended that held locks on the tables: "
          + result.blockers().stream().limit(5).map(Blocker::toString).toList();
    }
    if (run.notKept() > 0) {
      return run.notKept()
          + " candidates were counted and not kept; mend what is found, or raise maxCandidates";
    }
    if (result.open().candidates() > 0) {
      return result.open().candidates()
          + " candidates are younger than the grace, or have changed meanwhile; the next run settles them";
    }
    return null;
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
        run.equals(Run.NONE) ? Optional.empty() : lastFullScan(),
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

  /** Left out where the database cannot be asked: a report is more than its date. */
  private Optional<Instant> lastFullScan() {
    try {
      return plan.transactions()
          .run(
              plan.brief(),
              tx ->
                  changes
                      .latestFull(tx.dsl(), declaration, plan.declarations().version(), 0)
                      .map(ChangesSql.Full::startedAt));
    } catch (RuntimeException e) {
      LOG.debug("declaration '{}': the last full scan is not known", declaration.name(), e);
      return Optional.empty();
    }
  }
}

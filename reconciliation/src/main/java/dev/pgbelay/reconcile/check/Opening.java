package dev.pgbelay.reconcile.check;

import dev.pgbelay.core.Tx;
import dev.pgbelay.reconcile.Declaration;
import dev.pgbelay.reconcile.check.ChangesSql.Facts;
import dev.pgbelay.reconcile.check.ChangesSql.Full;
import dev.pgbelay.reconcile.check.DeclarationReport.Outcome;
import dev.pgbelay.reconcile.check.RunSql.Run;
import dev.pgbelay.reconcile.check.WalkSql.Walk;
import dev.pgbelay.reconcile.internal.CatalogSql;
import dev.pgbelay.reconcile.internal.Probe;
import dev.pgbelay.reconcile.internal.ProbeSql;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import org.jooq.DSLContext;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Finds the run that is to be gone on with, or opens one. What it writes may be lost with the
 * server: the next call begins again.
 */
final class Opening {
  private static final Logger LOG = LoggerFactory.getLogger(Opening.class);
  private static final String DECLARED_OTHERWISE =
      "the declarations have another version now; a run of theirs begins anew";

  private final CheckPlan plan;
  private final Declaration declaration;
  private final ChangesSql changes;
  private final Scan.Kept kept;

  Opening(CheckPlan plan, Declaration declaration, Scan.Kept kept) {
    this.plan = plan;
    this.declaration = declaration;
    this.changes = new ChangesSql(plan.schema());
    this.kept = kept;
  }

  /**
   * What is to be done, and how.
   *
   * @param looked what became of looking as the run was opened; empty if that was not tried
   * @param whyFull why it reads every row although incremental runs are asked for
   * @param fullBefore when the last run over every row began
   */
  record Begun(
      Probe probe,
      Run run,
      List<Walk> walks,
      Optional<AtOnce.Result> looked,
      Optional<String> whyFull,
      Optional<Instant> fullBefore) {}

  /**
   * Where little may have changed, one transaction opens the run and looks at all of it: to open it
   * first would take longer than the look.
   */
  Begun begin() {
    Optional<AtOnce.Result> looked = Optional.empty();
    if (mayLook()) {
      try {
        Optional<Begun> begun =
            plan.transactions().run(AtOnce.options(plan), tx -> begin(tx, true, Optional.empty()));
        if (begun.isPresent()) {
          return begun.get();
        }
      } catch (RuntimeException e) {
        LOG.debug("declaration '{}': opened before it is looked at", declaration.name(), e);
        looked = Optional.of(AtOnce.Result.NOT_AT_ONCE);
      }
    }
    Optional<AtOnce.Result> tried = looked;
    return open(tried).or(() -> open(tried)).orElseThrow(Scan.RunClosed::new); // or another's
  }

  private boolean mayLook() {
    return plan.fullScanEvery().isPresent()
        && declaration.changedAt().isPresent()
        && plan.isUnthrottled()
        && plan.replica().isEmpty();
  }

  private Optional<Begun> open(Optional<AtOnce.Result> looked) {
    return plan.transactions().run(plan.unsynced().build(), tx -> begin(tx, false, looked));
  }

  /** Empty if another process has opened a run just now. */
  private Optional<Begun> begin(Tx tx, boolean looks, Optional<AtOnce.Result> looked) {
    DSLContext dsl = tx.dsl();
    Probe probe =
        ProbeSql.of(
            declaration,
            ProbeSql.walked(declaration).flatMap(table -> CatalogSql.find(dsl, table)));
    Facts facts = changes.facts(dsl, declaration, version(), plan.fullScanEvery());
    Optional<Run> open = facts.open();
    if (open.filter(run -> !run.version().equals(version())).isPresent()) {
      kept.runs().close(dsl, open.get().id(), Outcome.INCOMPLETE, DECLARED_OTHERWISE, 0);
      open = Optional.empty();
    }
    if (open.isPresent()) {
      return Optional.of(goOn(dsl, probe, open.get(), facts));
    }
    return facts.isAlone()
        ? beginAnew(tx, probe, facts, looks, looked)
        : Optional.of(
            new Begun(
                probe,
                Run.NONE,
                List.of(),
                Optional.of(AtOnce.Result.HELD_ELSEWHERE),
                Optional.empty(),
                Optional.empty()));
  }

  private Begun goOn(DSLContext dsl, Probe probe, Run run, Facts facts) {
    return new Begun(
        probe,
        run,
        WalkSql.of(dsl, declaration, probe, run.span()),
        Optional.empty(),
        plan.fullScanEvery().isPresent() && run.changedFrom() == null
            ? Optional.of("an unfinished run over every row is gone on with")
            : Optional.empty(),
        facts.full().map(Full::startedAt));
  }

  private Optional<Begun> beginAnew(
      Tx tx, Probe probe, Facts facts, boolean looks, Optional<AtOnce.Result> looked) {
    DSLContext dsl = tx.dsl();
    Beginning beginning = Beginning.of(plan, declaration, facts);
    WalkSql.Span span =
        beginning.from().map(from -> new WalkSql.Span(from, beginning.until())).orElse(null);
    List<Walk> walks = WalkSql.of(dsl, declaration, probe, span);
    Long rows = walks.isEmpty() ? null : walks.stream().mapToLong(each -> each.estimate(dsl)).sum();
    return kept.runs()
        .open(dsl, declaration.name(), version(), beginning, rows)
        .map(
            run ->
                new Begun(
                    probe,
                    run,
                    walks,
                    looks && span != null ? Optional.of(look(tx, probe, run, walks)) : looked,
                    beginning.whyFull(),
                    facts.full().map(Full::startedAt)));
  }

  private AtOnce.Result look(Tx tx, Probe probe, Run run, List<Walk> walks) {
    return new AtOnce(plan, declaration, probe, kept, Sight.here(plan))
        .lookAsItOpens(tx, run, walks);
  }

  private String version() {
    return plan.declarations().version();
  }
}

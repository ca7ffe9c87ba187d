package dev.pgbelay.reconcile.check;

import dev.pgbelay.core.Tx;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.reconcile.Declaration;
import dev.pgbelay.reconcile.Reference;
import dev.pgbelay.reconcile.check.ChangesSql.Deleted;
import dev.pgbelay.reconcile.check.RunSql.Run;
import dev.pgbelay.reconcile.check.WalkSql.Walk;
import dev.pgbelay.reconcile.internal.Probe;
import java.time.Duration;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import org.jooq.Condition;
import org.jooq.JSONB;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The first look at all that a run is about in one transaction, where nobody asked for ranges and
 * it is not much. It commits as a whole, or the ranges begin as if it had not been. Where nothing
 * is open afterwards it ends the run too; the commit waits for no disk, since a crash of the server
 * takes back the run and all that it has kept, and the next one begins where the one before ended.
 */
final class AtOnce {
  private static final Logger LOG = LoggerFactory.getLogger(AtOnce.class);

  /** That are read along indexes, by one parallel statement. */
  private static final long MOST_ROWS = 20_000_000;

  /** That are asked about one by one. */
  private static final long MOST_PROBES = 50_000;

  /** More would be a large answer. */
  private static final long MOST_WRONG = 50_000;

  /** A snapshot that is kept for longer is not worth the time that is saved. */
  private static final Duration LONGEST = Duration.ofSeconds(5);

  private final CheckPlan plan;
  private final Declaration declaration;
  private final Probe probe;
  private final RunSql runs;
  private final FindingSql findings;
  private final Sight sight;

  AtOnce(CheckPlan plan, Declaration declaration, Probe probe, Scan.Kept kept, Sight sight) {
    this.plan = plan;
    this.declaration = declaration;
    this.probe = probe;
    this.runs = kept.runs();
    this.findings = kept.findings();
    this.sight = sight;
  }

  /** How it ended. */
  enum End {
    WHOLE,
    HELD_ELSEWHERE,
    NOT_AT_ONCE
  }

  /**
   * What became of it.
   *
   * @param run as it is now, if it is whole
   */
  record Result(End end, Optional<Run> run) {
    static final Result HELD_ELSEWHERE = new Result(End.HELD_ELSEWHERE, Optional.empty());
    static final Result NOT_AT_ONCE = new Result(End.NOT_AT_ONCE, Optional.empty());
  }

  /** What was seen, added up. */
  private static final class Seen {
    private long checked;
    private long skipped;
    private long wrong;
    private long kept;
  }

  Result look(Run run, List<Walk> walks) {
    if (!isLittle(run)) {
      return Result.NOT_AT_ONCE;
    }
    try {
      return plan.transactions().run(options(plan), tx -> look(tx, run, walks));
    } catch (Sight.Unfit e) {
      throw e;
    } catch (RuntimeException e) {
      LOG.debug("declaration '{}': not at once, but range by range", declaration.name(), e);
      return Result.NOT_AT_ONCE;
    }
  }

  static TxOptions options(CheckPlan plan) {
    return plan.unsynced()
        .deadline(Collections.min(List.of(LONGEST, plan.rangeTimeout(), plan.scanWithin())))
        .retry(TxOptions.Retry.none())
        .build();
  }

  /** In the very transaction that has opened the run. */
  Result lookAsItOpens(Tx tx, Run run, List<Walk> walks) {
    return isLittle(run) ? look(tx, run, walks) : Result.NOT_AT_ONCE;
  }

  private boolean isLittle(Run run) {
    Long rows = run.estimated();
    if (!plan.isUnthrottled() || !run.isUntouched() || rows == null) {
      return false;
    }
    long most = isTallied(run) ? MOST_ROWS : MOST_PROBES;
    return rows <= Math.min(most, plan.mostAtOnce());
  }

  private boolean isTallied(Run run) {
    return run.mode() == DeclarationReport.Mode.FULL && probe.tally().isPresent();
  }

  private Result look(Tx tx, Run run, List<Walk> walks) {
    Optional<List<Deleted>> deleted = lock(tx, run);
    if (deleted.isEmpty()) {
      Run now = runs.find(tx.dsl(), run.id());
      return now.isUntouched() ? Result.HELD_ELSEWHERE : Result.NOT_AT_ONCE;
    }
    Seen seen = new Seen();
    if (isTallied(run)) {
      Optional<FindingSql.Range> whole =
          sight.look(
              tx,
              dsl ->
                  FindingSql.tally(
                      dsl, probe, probe.tally().orElseThrow(), plan.maxCandidates(), MOST_WRONG));
      if (whole.isEmpty()) {
        return Result.NOT_AT_ONCE;
      }
      add(tx, seen, whole.get(), plan.maxCandidates());
    } else {
      if (deleted.get().size() == DeletesSql.AT_ONCE) {
        return Result.NOT_AT_ONCE;
      }
      if (!deleted.get().isEmpty()) {
        Reference reference = (Reference) declaration;
        ask(tx, seen, DeletesSql.children(tx.dsl(), reference, deleted.get()));
      }
      for (Walk walk : walks) {
        ask(tx, seen, walk.rows().apply(walk.filter()));
      }
    }
    Run whole =
        runs.countWhole(
            tx.dsl(),
            run.id(),
            findings,
            new FindingSql.Range(seen.checked, seen.skipped, seen.wrong, null),
            seen.kept);
    return new Result(End.WHOLE, Optional.of(whole));
  }

  /** The run, and the deletes that it is about; empty if somebody else is at it. */
  private Optional<List<Deleted>> lock(Tx tx, Run run) {
    if (declaration instanceof Reference reference && run.changedFrom() != null) {
      return new ChangesSql(plan.schema())
          .lockUntouchedWithDeletes(tx.dsl(), run.id(), reference, DeletesSql.AT_ONCE);
    }
    return runs.lockUntouched(tx.dsl(), run.id()) ? Optional.of(List.of()) : Optional.empty();
  }

  private void ask(Tx tx, Seen seen, Condition rows) {
    long room = plan.maxCandidates() - seen.kept;
    add(tx, seen, sight.look(tx, dsl -> FindingSql.scan(dsl, probe, rows, room)), room);
  }

  private void add(Tx tx, Seen seen, FindingSql.Range range, long room) {
    JSONB kept = range.kept();
    if (kept != null && room > 0) {
      findings.keep(tx.dsl(), kept);
    }
    seen.checked += range.checked();
    seen.skipped += range.skipped();
    seen.wrong += range.wrong();
    seen.kept += Math.min(room, range.wrong());
  }
}

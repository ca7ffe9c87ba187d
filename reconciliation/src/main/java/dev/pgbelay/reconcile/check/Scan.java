package dev.pgbelay.reconcile.check;

import dev.pgbelay.batch.chunk.ChunkReport;
import dev.pgbelay.batch.chunk.ChunkedJob;
import dev.pgbelay.batch.chunk.JobControl;
import dev.pgbelay.batch.chunk.JobRefusedException;
import dev.pgbelay.batch.chunk.ThrottleSignal;
import dev.pgbelay.core.Tx;
import dev.pgbelay.reconcile.Declaration;
import dev.pgbelay.reconcile.Reference;
import dev.pgbelay.reconcile.check.ChangesSql.Deleted;
import dev.pgbelay.reconcile.check.RunSql.Run;
import dev.pgbelay.reconcile.check.WalkSql.Walk;
import dev.pgbelay.reconcile.internal.Probe;
import java.util.List;
import java.util.Optional;
import org.jooq.Condition;
import org.jooq.Field;
import org.jooq.JSONB;
import org.jooq.impl.DSL;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The first look at the rows of one run, in the transactions of chunked jobs. */
final class Scan {
  private static final Logger LOG = LoggerFactory.getLogger(Scan.class);

  private final CheckPlan plan;
  private final Declaration declaration;
  private final Probe probe;
  private final Kept kept;
  private final RunSql runs;
  private final FindingSql findings;
  private final Run run;
  private final List<Walk> walks;
  private final Sight sight;

  /** A call does at least one range: however short its time, runs come to an end. */
  private boolean began;

  private long read;

  private @Nullable String heldUpBy;

  /** There are no jobs, then. */
  private boolean wasAtOnce;

  /** What has been looked at already; empty if nobody has tried. */
  private final Optional<AtOnce.Result> looked;

  private Optional<Run> whole = Optional.empty();

  /** The tables of the checker, of one declaration. */
  record Kept(RunSql runs, FindingSql findings) {}

  Scan(
      CheckPlan plan,
      Declaration declaration,
      Probe probe,
      Kept kept,
      Run run,
      List<Walk> walks,
      Optional<AtOnce.Result> looked,
      Sight sight) {
    this.looked = looked;
    this.plan = plan;
    this.declaration = declaration;
    this.probe = probe;
    this.kept = kept;
    this.runs = kept.runs();
    this.findings = kept.findings();
    this.run = run;
    this.walks = List.copyOf(walks);
    this.sight = sight;
  }

  /** How far it came. */
  enum End {
    WHOLE,
    HELD_ELSEWHERE,
    OUT_OF_TIME,
    OUT_OF_ROWS,
    INTERRUPTED,
    CANCELLED,
    /** The rows are walked by another key now than those before. */
    ALTERED
  }

  /** Ends the job from within, with its position kept. */
  static final class OverBudget extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final transient End end;

    OverBudget(End end) {
      super("the budget of the scan is spent", null, false, false);
      this.end = end;
    }
  }

  /** Of this run alone: what another run has passed says nothing about it. */
  private String job(Walk walk) {
    return "reconcile:" + declaration.name() + ":" + run.id() + walk.name();
  }

  private JobControl control(Walk walk) {
    return JobControl.of(plan.transactions(), plan.schema(), job(walk));
  }

  /** Whatever becomes of the run, its progress is of no more use. */
  void forget() {
    if (wasAtOnce) {
      return;
    }
    for (Walk walk : walks) {
      if (control(walk).forget() == JobControl.Outcome.UNCHANGED) {
        LOG.debug("the progress of '{}' stays, since somebody is at it", job(walk));
      }
    }
  }

  /** What the scan has waited for last, if it has. */
  Optional<String> heldUpBy() {
    return Optional.ofNullable(heldUpBy);
  }

  /** The run after it was looked at at once, which may have ended it. */
  Optional<Run> whole() {
    return whole;
  }

  End look() {
    if (run.isScanned()) {
      return End.WHOLE;
    }
    AtOnce.Result atOnce =
        looked.orElseGet(() -> new AtOnce(plan, declaration, probe, kept, sight).look(run, walks));
    if (atOnce.end() != AtOnce.End.NOT_AT_ONCE) {
      wasAtOnce = true;
      whole = atOnce.run();
      return atOnce.end() == AtOnce.End.WHOLE ? End.WHOLE : End.HELD_ELSEWHERE;
    }
    End end = lookByRanges();
    if (end == End.WHOLE) {
      plan.transactions().execute(plan.brief(), tx -> runs.scanned(tx.dsl(), run.id()));
    }
    return end;
  }

  private End lookByRanges() {
    if (walks.isEmpty()) {
      plan.transactions().execute(plan.brief(), tx -> look(tx, DSL.noCondition()));
      return End.WHOLE;
    }
    long until = System.nanoTime() + plan.scanWithin().toNanos();
    try {
      if (declaration instanceof Reference reference
          && run.mode() == DeclarationReport.Mode.INCREMENTAL) {
        while (deletes(reference, until)) {
          LOG.debug("declaration '{}': more deletes", declaration.name());
        }
      }
      for (Walk walk : walks) {
        End end = walk(walk, until);
        if (end != End.WHOLE) {
          return end;
        }
      }
      return End.WHOLE;
    } catch (OverBudget e) {
      return e.end;
    }
  }

  private void spend(long until) {
    if (began && System.nanoTime() - until > 0) {
      throw new OverBudget(End.OUT_OF_TIME);
    }
    if (began && read >= plan.maxRows().orElse(Long.MAX_VALUE)) {
      throw new OverBudget(End.OUT_OF_ROWS);
    }
    began = true;
  }

  /** Whether there may be more. Two at once take one page after the other. */
  private boolean deletes(Reference reference, long until) {
    spend(until);
    ChangesSql changes = new ChangesSql(plan.schema());
    return plan.transactions()
        .run(
            plan.brief(),
            tx -> {
              long after = runs.lockDeletes(tx.dsl(), run.id()).orElseThrow(RunClosed::new);
              List<Deleted> page = changes.deletes(tx.dsl(), reference, after, DeletesSql.AT_ONCE);
              if (page.isEmpty()) {
                return false;
              }
              look(tx, DeletesSql.children(tx.dsl(), reference, page));
              runs.passDeletes(tx.dsl(), run.id(), page.get(page.size() - 1).id());
              return page.size() == DeletesSql.AT_ONCE;
            });
  }

  private End walk(Walk walk, long until) {
    Optional<JobControl.Status> status = control(walk).status();
    if (status.isPresent() && status.get().state() == JobControl.State.DONE) {
      return End.WHOLE;
    }
    CheckPlan.Sizing ranges = plan.ranges();
    ChunkedJob.Builder job =
        ChunkedJob.over(plan.transactions(), job(walk), walk.table())
            .schema(plan.schema())
            .key(walk.key().toArray(Field<?>[]::new))
            .where(walk.filter())
            .chunkTimeout(plan.rangeTimeout())
            .lease(plan.lease())
            .target(plan.target())
            .chunkRows(ranges.first(), ranges.min(), ranges.max())
            .throttle(bounded(until))
            .apply(
                plan.declarations().version() + " " + probe.keyTypes(),
                chunk -> {
                  spend(until);
                  return look(chunk.tx(), walk.rows().apply(chunk.rows()));
                });
    plan.maxRowsPerSecond().ifPresent(job::maxRowsPerSecond);
    try {
      return end(job.build().run());
    } catch (JobRefusedException e) {
      if (e.reason() != JobRefusedException.Reason.OTHER_DEFINITION) {
        throw e;
      }
      LOG.debug("declaration '{}': the run cannot be gone on with", declaration.name(), e);
      return End.ALTERED;
    }
  }

  /** Who is held up for ever is to end within his time all the same, and to say by what. */
  private List<ThrottleSignal> bounded(long until) {
    return plan.throttle().stream()
        .<ThrottleSignal>map(
            each ->
                each.withinChunk()
                    ? each
                    : new BoundedSignal(
                        each,
                        reason -> {
                          heldUpBy = reason;
                          if (System.nanoTime() - until > 0) {
                            throw new OverBudget(End.OUT_OF_TIME);
                          }
                        }))
        .toList();
  }

  private static End end(ChunkReport report) {
    return switch (report.outcome()) {
      case DONE, ALREADY_DONE -> End.WHOLE;
      case HELD_ELSEWHERE -> End.HELD_ELSEWHERE;
      case CANCELLED -> End.CANCELLED;
      case INTERRUPTED -> End.INTERRUPTED;
    };
  }

  private long look(Tx tx, Condition rows) {
    long room =
        Math.max(0, plan.maxCandidates() - runs.kept(tx.dsl(), run.id(), !plan.isUnthrottled()));
    FindingSql.Range range = sight.look(tx, dsl -> FindingSql.scan(dsl, probe, rows, room));
    JSONB pairs = range.kept();
    if (pairs != null && room > 0) {
      findings.keep(tx.dsl(), pairs);
    }
    if (!runs.countRange(tx.dsl(), run.id(), range, Math.min(room, range.wrong()))) {
      throw new RunClosed();
    }
    read += range.checked() + range.skipped();
    return range.checked() + range.skipped();
  }

  /** Another process ended the run that this one works on. */
  static final class RunClosed extends RuntimeException {
    private static final long serialVersionUID = 1L;

    RunClosed() {
      super("the run was ended by another process", null, false, false);
    }
  }
}

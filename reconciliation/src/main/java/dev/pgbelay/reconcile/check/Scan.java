package dev.pgbelay.reconcile.check;

import dev.pgbelay.batch.chunk.ChunkReport;
import dev.pgbelay.batch.chunk.ChunkedJob;
import dev.pgbelay.batch.chunk.JobControl;
import dev.pgbelay.core.Tx;
import dev.pgbelay.reconcile.Declaration;
import dev.pgbelay.reconcile.internal.Probe;
import java.util.Optional;
import org.jooq.Condition;
import org.jooq.Field;
import org.jooq.JSONB;
import org.jooq.impl.DSL;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The first look at every row of one declaration, in the transactions of a chunked job. */
final class Scan {
  private static final Logger LOG = LoggerFactory.getLogger(Scan.class);

  private final CheckPlan plan;
  private final Probe probe;
  private final RunSql runs;
  private final FindingSql findings;
  private final long run;
  private final String job;
  private final JobControl control;

  /** A call does at least one range: however short its time, runs come to an end. */
  private boolean began;

  Scan(
      CheckPlan plan,
      Declaration declaration,
      Probe probe,
      RunSql runs,
      FindingSql findings,
      long run) {
    this.plan = plan;
    this.probe = probe;
    this.runs = runs;
    this.findings = findings;
    this.run = run;
    // Of this run alone: what another run has passed says nothing about it.
    this.job = "reconcile:" + declaration.name() + ":" + run;
    this.control = JobControl.of(plan.transactions(), plan.schema(), job);
  }

  /** How far it came. */
  enum End {
    WHOLE,
    HELD_ELSEWHERE,
    OUT_OF_TIME,
    INTERRUPTED,
    CANCELLED
  }

  /** Ends the job from within, with its position kept. */
  private static final class OutOfTime extends RuntimeException {
    private static final long serialVersionUID = 1L;

    OutOfTime() {
      super("the time of the scan is over", null, false, false);
    }
  }

  /** Whatever becomes of the run, its progress is of no more use. */
  void forget() {
    if (probe.isWalkable() && control.forget() == JobControl.Outcome.UNCHANGED) {
      LOG.debug("the progress of '{}' stays, since somebody is at it", job);
    }
  }

  End look() {
    if (!probe.isWalkable()) {
      plan.transactions().execute(plan.brief(), tx -> look(tx, DSL.noCondition()));
      return End.WHOLE;
    }
    Optional<JobControl.Status> status = control.status();
    if (status.isPresent() && status.get().state() == JobControl.State.DONE) {
      return End.WHOLE;
    }
    long until = System.nanoTime() + plan.scanWithin().toNanos();
    ChunkedJob.Builder walk =
        ChunkedJob.over(plan.transactions(), job, probe.walked())
            .schema(plan.schema())
            .key(probe.key().toArray(Field<?>[]::new))
            .where(probe.inScope())
            .chunkTimeout(plan.rangeTimeout())
            .chunkRows(plan.sizing().first(), plan.sizing().min(), plan.sizing().max())
            .throttle(plan.throttle())
            .apply(
                plan.declarations().version(),
                chunk -> {
                  if (began && System.nanoTime() - until > 0) {
                    throw new OutOfTime();
                  }
                  began = true;
                  return look(chunk.tx(), chunk.rows());
                });
    plan.maxRowsPerSecond().ifPresent(walk::maxRowsPerSecond);
    try {
      return end(walk.build().run());
    } catch (OutOfTime e) {
      return End.OUT_OF_TIME;
    }
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
    long room = Math.max(0, plan.maxCandidates() - runs.find(tx.dsl(), run).kept());
    FindingSql.Range range = FindingSql.scan(tx.dsl(), probe, rows, room);
    JSONB kept = range.kept();
    if (kept != null && room > 0) {
      findings.keep(tx.dsl(), kept);
    }
    if (!runs.countRange(tx.dsl(), run, range, Math.min(room, range.wrong()))) {
      throw new RunClosed();
    }
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

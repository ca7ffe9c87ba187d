package dev.pgbelay.batch.chunk;

import dev.pgbelay.batch.chunk.JobSql.Locked;
import dev.pgbelay.core.FailureKind;
import dev.pgbelay.core.Failures;
import dev.pgbelay.core.OutcomeUnknownException;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.internal.Fence;
import dev.pgbelay.core.internal.SteadyText;
import dev.pgbelay.keyset.internal.KeysetRanges;
import java.time.Duration;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** One run of a job, on the thread that calls it. */
final class ChunkRunner {
  private static final Logger LOG = LoggerFactory.getLogger(ChunkRunner.class);

  private final JobPlan plan;
  private final JobSql sql;
  private final Fence fence;
  private final ChunkSize size;
  private final TxOptions chunkOptions;
  private final Standstill standstill;
  private final Patience patience;
  private final RunCount count = new RunCount();
  private final Progress progress;
  private final Walk walk;
  private final JobClaim claim;

  ChunkRunner(JobPlan plan, JobSql sql, Fence fence) {
    this.plan = plan;
    this.sql = sql;
    this.fence = fence;
    JobPlan.Sizing sizing = plan.sizing();
    this.size = new ChunkSize(sizing.target(), sizing.first(), sizing.min(), sizing.max());
    this.chunkOptions =
        SteadyText.in(TxOptions.builder()) // the position, for whoever goes on
            .path("batch-chunk")
            .deadline(plan.timing().chunkTimeout())
            .lockTimeout(plan.timing().lockTimeout())
            .setting("idle_in_transaction_session_timeout", plan.timing().lease().toMillis() + "ms")
            .build();
    this.patience = new Patience(plan.timing().patience());
    this.progress = new Progress(plan, sql);
    this.walk = new Walk(plan);
    this.standstill = new Standstill(plan, sql, fence, patience, count);
    this.claim = new JobClaim(plan, sql, fence, size, patience);
  }

  /** A chunk that was committed, or found the job not to be worked on. */
  private record Done(
      String state, long rows, long walked, boolean last, boolean full, boolean waitersBehind) {
    static Done stopped(String state) {
      return new Done(state, 0, 0, false, false, false);
    }
  }

  ChunkReport run() {
    try {
      String definition = patience.bearing(new JobCheck(plan)::requireRunnable);
      Optional<ChunkReport.Outcome> refused = claim.take(definition);
      if (refused.isPresent()) {
        return count.report(plan.name(), refused.get());
      }
      ChunkReport report = count.report(plan.name(), work());
      if (report.outcome() != ChunkReport.Outcome.INTERRUPTED) {
        progress.tell(true);
      }
      return report;
    } catch (LeaseLostException e) {
      plan.meters().leaseLost();
      throw e;
    } finally {
      plan.meters().waiting(0);
      claim.release();
    }
  }

  private ChunkReport.Outcome work() {
    while (true) {
      if (Thread.currentThread().isInterrupted()) {
        return ChunkReport.Outcome.INTERRUPTED;
      }
      if (standstill.signalsAreDue() && standstill.isCancelledAfterWaiting(false)) {
        return ChunkReport.Outcome.CANCELLED;
      }
      long began = System.nanoTime();
      Done done = attempt(began);
      if (done == null) {
        continue;
      }
      switch (done.state()) {
        case "CANCELLED" -> {
          return ChunkReport.Outcome.CANCELLED;
        }
        case "DONE" -> {
          return ChunkReport.Outcome.DONE;
        }
        case "PAUSED" -> {
          if (standstill.isCancelledAfterWaiting(true)) {
            return ChunkReport.Outcome.CANCELLED;
          }
        }
        default -> {
          afterChunk(done, System.nanoTime() - began);
          if (done.last()) {
            return ChunkReport.Outcome.DONE;
          }
        }
      }
    }
  }

  /** Null if the chunk is to be tried again. */
  private @Nullable Done attempt(long began) {
    try {
      Done done = plan.transactions().run(chunkOptions, this::chunk);
      patience.reset();
      return done;
    } catch (OutcomeUnknownException e) {
      // Whether it was committed stands in the job's row, which the next chunk reads first.
      LOG.info("job '{}': the answer to a COMMIT was lost; the position will tell", plan.name());
      failed(began);
      patience.spend(e);
    } catch (LeaseLostException e) {
      throw e;
    } catch (RuntimeException e) {
      FailureKind kind = Failures.classify(e);
      failed(began);
      if (!Patience.mayPass(e)) {
        throw e;
      }
      if (Patience.isTimeout(kind)) {
        size.afterTimeout();
        walk.timedOut();
        standstill.keepClaim();
      }
      LOG.info("job '{}': a chunk failed ({}) and is tried again", plan.name(), kind);
      patience.spend(e);
    }
    return null;
  }

  private void failed(long began) {
    count.retried++;
    plan.meters().failed(System.nanoTime() - began);
  }

  private Done chunk(Tx tx) {
    Locked job = sql.lock(tx.dsl(), fence).orElseThrow(this::lost);
    if (!job.state().equals("ACTIVE")) {
      return Done.stopped(job.state());
    }
    long began = System.nanoTime();
    int rows = size.rows();
    KeysetRanges.Range range = walk.next(tx.dsl(), job.position(), rows);
    long changed =
        plan.work()
            .function()
            .apply(new Chunk(tx, plan.table(), range.condition().and(plan.filter())));
    if (changed < 0) {
      throw new PgBelayException(
          "job '%s': the function of apply returned %d; it must return how many rows it changed, 0 or more. Its chunk is rolled back"
              .formatted(plan.name(), changed));
    }
    boolean waiters = standstill.hasWaitersBehind(tx.dsl());
    boolean last = range.end().isEmpty();
    // What is estimated and shown are rows for which the filter holds.
    long walked = last || walk.isBounded() ? Math.min(changed, rows) : rows;
    JobSql.Step step =
        new JobSql.Step(
            range.end().orElse(null),
            changed,
            walked,
            rows,
            (System.nanoTime() - began) / 1e9,
            last);
    if (!sql.save(tx.dsl(), fence, step, plan.timing().lease())) {
      throw lost();
    }
    return new Done("ACTIVE", changed, walked, last, !last, waiters);
  }

  private void afterChunk(Done done, long nanos) {
    count.committed(done.rows(), nanos, size.rows());
    if (done.full()) {
      size.after(nanos);
    }
    walk.done();
    if (done.waitersBehind()) {
      size.makeRoom();
    }
    plan.meters().committed(nanos, done.rows(), size.rows());
    progress.tell(false);
    if (done.last()) {
      return;
    }
    if (done.waitersBehind()) {
      standstill.yieldToWaiters(nanos);
    }
    plan.maxRowsPerSecond()
        .ifPresent(
            rate ->
                standstill.pace(Duration.ofNanos(done.walked() * 1_000_000_000L / rate - nanos)));
  }

  private LeaseLostException lost() {
    return new LeaseLostException(plan.name());
  }
}

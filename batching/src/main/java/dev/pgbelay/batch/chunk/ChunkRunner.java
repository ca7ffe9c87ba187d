package dev.pgbelay.batch.chunk;

import dev.pgbelay.batch.chunk.JobRefusedException.Reason;
import dev.pgbelay.batch.chunk.JobSql.Locked;
import dev.pgbelay.core.FailureKind;
import dev.pgbelay.core.Failures;
import dev.pgbelay.core.OutcomeUnknownException;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.internal.Fence;
import dev.pgbelay.keyset.internal.KeysetRanges;
import java.time.Duration;
import java.util.Optional;
import org.jooq.DSLContext;
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
  private boolean claimed;

  ChunkRunner(JobPlan plan, JobSql sql, Fence fence) {
    this.plan = plan;
    this.sql = sql;
    this.fence = fence;
    JobPlan.Sizing sizing = plan.sizing();
    this.size = new ChunkSize(sizing.target(), sizing.first(), sizing.min(), sizing.max());
    this.chunkOptions =
        TxOptions.builder()
            .path("batch-chunk")
            .deadline(plan.timing().chunkTimeout())
            .lockTimeout(plan.timing().lockTimeout())
            .setting("idle_in_transaction_session_timeout", plan.timing().lease().toMillis() + "ms")
            .build();
    this.patience = new Patience(plan.timing().patience());
    this.progress = new Progress(plan, sql);
    this.walk = new Walk(plan);
    this.standstill = new Standstill(plan, sql, fence, patience, count);
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
      Optional<ChunkReport.Outcome> refused = claim(definition);
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
      if (claimed) {
        release();
      }
    }
  }

  /** Why there is nothing to do, if so. */
  private Optional<ChunkReport.Outcome> claim(String definition) {
    // A claim whose COMMIT was not answered is found again, or given back: it is the same one.
    claimed = true;
    Optional<JobSql.Claimed> found = patience.bearing(() -> claimUnlessRunning(definition));
    if (found.isEmpty()) {
      claimed = false;
      return Optional.of(ChunkReport.Outcome.HELD_ELSEWHERE);
    }
    String state = found.get().state();
    boolean again = state.equals("DONE") && plan.restartWhenDone();
    if (!again && !found.get().definition().equals(definition)) {
      throw new JobRefusedException(
          Reason.OTHER_DEFINITION,
          "job '%s' is known as [%s], this one is [%s]: its position means nothing here. Use another name; or JobControl.forget(), which begins at the start, so that an INSERT or a function does again what was done"
              .formatted(plan.name(), found.get().definition(), definition));
    }
    if (!again && (state.equals("DONE") || state.equals("CANCELLED"))) {
      if (state.equals("CANCELLED")) {
        LOG.warn(
            "job '{}' was cancelled and does nothing until JobControl.restart() or forget()",
            plan.name());
      }
      return Optional.of(
          state.equals("DONE") ? ChunkReport.Outcome.ALREADY_DONE : ChunkReport.Outcome.CANCELLED);
    }
    patience.bearing(
        () ->
            plan.transactions()
                .run(plan.brief("batch-chunk-claim"), tx -> takeUp(tx.dsl(), again, definition)));
    return Optional.empty();
  }

  /**
   * Empty if another runner has the job. Whoever only holds its row for a moment, to pause it or to
   * look at it, is waited for as long as for any other lock.
   */
  private Optional<JobSql.Claimed> claimUnlessRunning(String definition) {
    long began = System.nanoTime();
    while (true) {
      JobSql.ClaimAttempt attempt =
          plan.transactions()
              .run(
                  plan.brief("batch-chunk-claim"),
                  tx -> {
                    Duration lease = plan.timing().lease();
                    return sql.claim(tx.dsl(), fence, definition, size.rows(), lease);
                  });
      if (attempt.claimed().isPresent()
          || attempt.running()
          || Thread.currentThread().isInterrupted()
          || System.nanoTime() - began > plan.timing().lockTimeout().toNanos()) {
        return attempt.claimed();
      }
      Patience.sleep(plan.timing().poll());
    }
  }

  /** Begins at the start, or where the job stands. Changes nothing when it is done again. */
  private Locked takeUp(DSLContext dsl, boolean again, String definition) {
    if (again) {
      sql.restart(dsl, fence, definition);
    }
    Locked locked = sql.lock(dsl, fence).orElseThrow(this::lost);
    if (locked.position() == null) {
      sql.saveEstimate(dsl, fence, JobCheck.estimate(plan, dsl));
    } else {
      size.set(locked.chunkRows());
    }
    return locked;
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

  /** The lease would end by itself; this lets the next runner begin at once. */
  private void release() {
    // An interrupted thread gets no connection from a pool.
    boolean interrupted = Thread.interrupted();
    try {
      plan.transactions()
          .execute(plan.brief("batch-chunk-claim"), tx -> sql.release(tx.dsl(), fence));
    } catch (RuntimeException e) {
      LOG.warn(
          "job '{}': the claim could not be given back ({}); it ends with its lease",
          plan.name(),
          Failures.classify(e));
    } finally {
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }

  private LeaseLostException lost() {
    return new LeaseLostException(plan.name());
  }
}

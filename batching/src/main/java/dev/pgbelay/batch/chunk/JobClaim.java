package dev.pgbelay.batch.chunk;

import dev.pgbelay.batch.chunk.JobRefusedException.Reason;
import dev.pgbelay.batch.chunk.JobSql.Locked;
import dev.pgbelay.core.Failures;
import dev.pgbelay.core.internal.Fence;
import java.time.Duration;
import java.util.Optional;
import org.jooq.DSLContext;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** A runner's claim on its job: how it is taken, and given back. */
final class JobClaim {
  private static final Logger LOG = LoggerFactory.getLogger(ChunkRunner.class);

  private final JobPlan plan;
  private final JobSql sql;
  private final Fence fence;
  private final ChunkSize size;
  private final Patience patience;
  private boolean claimed;

  JobClaim(JobPlan plan, JobSql sql, Fence fence, ChunkSize size, Patience patience) {
    this.plan = plan;
    this.sql = sql;
    this.fence = fence;
    this.size = size;
    this.patience = patience;
  }

  /** Why there is nothing to do, if so. */
  Optional<ChunkReport.Outcome> take(String definition) {
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
    Locked locked = sql.lock(dsl, fence).orElseThrow(() -> new LeaseLostException(plan.name()));
    if (locked.position() == null) {
      sql.saveEstimate(dsl, fence, JobCheck.estimate(plan, dsl));
    } else {
      size.set(locked.chunkRows());
    }
    return locked;
  }

  /** The lease would end by itself; this lets the next runner begin at once. */
  void release() {
    if (!claimed) {
      return;
    }
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
}

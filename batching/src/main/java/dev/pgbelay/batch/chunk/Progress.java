package dev.pgbelay.batch.chunk;

import dev.pgbelay.core.Failures;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Tells the listener of a run how far the job is, not more often than it looks at signals. */
final class Progress {
  private static final Logger LOG = LoggerFactory.getLogger(Progress.class);

  private final JobPlan plan;
  private final JobSql sql;
  private long lastTold = System.nanoTime();
  private boolean told;

  Progress(JobPlan plan, JobSql sql) {
    this.plan = plan;
    this.sql = sql;
  }

  void tell(boolean now) {
    long nanos = System.nanoTime();
    if (plan.onProgress().isEmpty()
        || (!now && told && nanos - lastTold < plan.timing().signalInterval().toNanos())) {
      return;
    }
    lastTold = nanos;
    told = true;
    read().ifPresent(status -> plan.onProgress().get().accept(status));
  }

  /** Empty if the database cannot be asked just now: that is no reason to stop. */
  private Optional<JobControl.Status> read() {
    try {
      return plan.transactions()
          .run(plan.briefRead("batch-chunk-progress"), tx -> sql.read(tx.dsl()));
    } catch (RuntimeException e) {
      if (!Patience.mayPass(e)) {
        throw e;
      }
      LOG.info("job '{}': its progress could not be read ({})", plan.name(), Failures.classify(e));
      return Optional.empty();
    }
  }
}

package dev.pgbelay.jobqueue;

import dev.pgbelay.jobqueue.Settlement.Fate;
import dev.pgbelay.jobqueue.events.JobEvent;
import dev.pgbelay.jobqueue.events.JobListener;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Tells a listener of each job. */
record EventMeters(JobListener listener) implements WorkMeters {
  private static final Logger LOG = LoggerFactory.getLogger(EventMeters.class);

  @Override
  public void began(ClaimedJob job) {
    tell(
        new JobEvent(
            JobEvent.Type.STARTED,
            job.id(),
            job.kind(),
            job.queue(),
            job.attempt(),
            Optional.empty()));
  }

  @Override
  public void ended(Settlement.Subject job, Fate fate, @Nullable String reason) {
    tell(event(type(fate), job, reason));
  }

  @Override
  public void refused(Settlement.Subject job, Fate fate) {
    tell(event(JobEvent.Type.REFUSED, job, fate.tag()));
  }

  private static JobEvent event(
      JobEvent.Type type, Settlement.Subject job, @Nullable String reason) {
    return new JobEvent(
        type, job.id(), job.kind(), job.queue(), job.attempt(), Optional.ofNullable(reason));
  }

  private static JobEvent.Type type(Fate fate) {
    return switch (fate) {
      case DONE -> JobEvent.Type.DONE;
      case DISCARDED -> JobEvent.Type.DISCARDED;
      case CANCELLED -> JobEvent.Type.CANCELLED;
      case RETRIED -> JobEvent.Type.RETRIED;
      case SNOOZED -> JobEvent.Type.SNOOZED;
      case HANDED_BACK -> JobEvent.Type.HANDED_BACK;
      case DEAD -> JobEvent.Type.DEAD;
    };
  }

  private void tell(JobEvent event) {
    try {
      listener.on(event);
    } catch (Throwable e) {
      LOG.warn("a listener failed at {} of job {}", event.type(), event.jobId(), e);
    }
  }
}

package dev.pgbelay.jobqueue;

import dev.pgbelay.jobqueue.Settlement.Fate;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Tells each of several. What one of them throws disturbs neither the others nor a job. */
record AllMeters(List<WorkMeters> all) implements WorkMeters {
  private static final Logger LOG = LoggerFactory.getLogger(AllMeters.class);

  AllMeters {
    all = List.copyOf(all);
  }

  private void each(Consumer<WorkMeters> call) {
    for (WorkMeters one : all) {
      try {
        call.accept(one);
      } catch (Throwable e) {
        LOG.warn("somebody who watches the worker failed: {}", one.getClass().getName(), e);
      }
    }
  }

  /** Before anything runs: a registry that refuses a gauge is not passed over. */
  @Override
  public void watch(String queue, Work work) {
    all.forEach(one -> one.watch(queue, work));
  }

  @Override
  public void unwatch() {
    each(WorkMeters::unwatch);
  }

  @Override
  public void claimed(String queue, int jobs) {
    each(one -> one.claimed(queue, jobs));
  }

  @Override
  public void began(ClaimedJob job) {
    each(one -> one.began(job));
  }

  @Override
  public void ran(String kind, long nanos) {
    each(one -> one.ran(kind, nanos));
  }

  @Override
  public void settled(String queue, String kind, Fate fate, int jobs) {
    each(one -> one.settled(queue, kind, fate, jobs));
  }

  @Override
  public void ended(Settlement.Subject job, Fate fate, @Nullable String reason) {
    each(one -> one.ended(job, fate, reason));
  }

  @Override
  public void refused(Settlement.Subject job, Fate fate) {
    each(one -> one.refused(job, fate));
  }

  @Override
  public void stale() {
    each(WorkMeters::stale);
  }

  @Override
  public void rescued(int jobs) {
    each(one -> one.rescued(jobs));
  }

  @Override
  public void lostLease() {
    each(WorkMeters::lostLease);
  }

  @Override
  public void overdue() {
    each(WorkMeters::overdue);
  }

  @Override
  public void ignoredInterrupt() {
    each(WorkMeters::ignoredInterrupt);
  }
}

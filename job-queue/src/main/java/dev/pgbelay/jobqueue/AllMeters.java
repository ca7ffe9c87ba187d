package dev.pgbelay.jobqueue;

import dev.pgbelay.jobqueue.Settlement.Fate;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** Tells each of several. */
record AllMeters(List<WorkMeters> all) implements WorkMeters {
  AllMeters {
    all = List.copyOf(all);
  }

  private void each(Consumer<WorkMeters> call) {
    for (WorkMeters one : all) {
      call.accept(one);
    }
  }

  @Override
  public void watch(String queue, Work work) {
    each(one -> one.watch(queue, work));
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

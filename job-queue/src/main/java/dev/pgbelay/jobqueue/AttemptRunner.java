package dev.pgbelay.jobqueue;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.internal.GuardedPermit;
import dev.pgbelay.jobqueue.Buffer.Fetched;
import dev.pgbelay.jobqueue.JobOutcome.Verdict;
import dev.pgbelay.jobqueue.Settlement.Fate;
import dev.pgbelay.jobqueue.internal.ManualAccess;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Runs one job after the other on its thread, and says what is to be written about each. */
final class AttemptRunner implements Runnable {
  private static final Logger LOG = LoggerFactory.getLogger(AttemptRunner.class);

  /** A kind with what to do about it. */
  record Handling<P>(
      JobKind<P> kind,
      JobHandler<P> handler,
      RetryPolicy retry,
      Optional<Duration> deadline,
      Optional<GuardedPermit> permit) {

    Handling<P> around(ManualAccess.Around wrapper) {
      return new Handling<>(kind, wrapper.wrap(handler), retry, deadline, permit);
    }

    Handling<P> within(Duration time) {
      return new Handling<>(kind, handler, retry, Optional.of(time), permit);
    }

    Handling<P> under(GuardedPermit admitting) {
      return new Handling<>(kind, handler, retry, deadline, Optional.of(admitting));
    }
  }

  private final Work work;
  private final Map<String, Handling<?>> handlings;
  private final Registration registration;
  private final SettleSql sql;
  private final Payloads payloads;
  private final Settler settler;
  private final WorkMeters meters;
  private final AtomicBoolean stopping;
  private final AttemptClock clock = new AttemptClock();

  AttemptRunner(
      Work work,
      Map<String, Handling<?>> handlings,
      Registration registration,
      SettleSql sql,
      Payloads payloads,
      Settler settler,
      WorkMeters meters,
      AtomicBoolean stopping) {
    this.work = work;
    this.handlings = handlings;
    this.registration = registration;
    this.sql = sql;
    this.payloads = payloads;
    this.settler = settler;
    this.meters = meters;
    this.stopping = stopping;
  }

  @Override
  public void run() {
    while (true) {
      try {
        Fetched fetched = work.next(100, TimeUnit.MILLISECONDS);
        if (fetched != null) {
          try {
            attempt(fetched);
          } catch (Throwable e) {
            unexpected(fetched.job(), e);
          } finally {
            work.ended();
          }
        } else if (stopping.get()) {
          return;
        }
      } catch (InterruptedException e) {
        // Meant for an attempt that has ended meanwhile; a stop is told by the flag.
        LOG.debug("interrupted between two jobs", e);
      } catch (Throwable e) {
        LOG.error("between two jobs; the thread goes on", e);
        LockSupport.parkNanos(this, TimeUnit.MILLISECONDS.toNanos(100));
      }
    }
  }

  /** Not the handler's: whatever it is, the job is settled and the thread goes on. */
  private void unexpected(ClaimedJob job, Throwable e) {
    settler.add(
        retried(job, Optional.of(Duration.ofSeconds(1)), "not handled: " + e.getClass().getName()));
    LOG.error("{} could not be handled: {}", job, e.getClass().getName());
  }

  boolean isOf(Work queue) {
    return work == queue;
  }

  /**
   * Runs the next job that is claimed, on the calling thread, also if the claim has passed on; for
   * the test kit. Whether there was one.
   */
  boolean runNow() throws InterruptedException {
    Fetched fetched = work.next(0, TimeUnit.NANOSECONDS);
    if (fetched == null) {
      return false;
    }
    try {
      handle(fetched);
    } finally {
      work.ended();
    }
    return true;
  }

  /** Called by another thread, again and again: interrupts an attempt that is past its deadline. */
  void checkDeadline() {
    clock.check(meters);
  }

  /** Called by another thread: what somebody wants cancelled, by id. */
  void cancel(Map<Long, String> reasons) {
    clock.cancel(reasons);
  }

  private void attempt(Fetched fetched) {
    ClaimedJob job = fetched.job();
    try {
      if (!registration.awaitLive(fetched.identity(), stopping)) {
        work.notBegun(job);
        work.settled(1); // rescued by others, or left to them
        return;
      }
    } catch (InterruptedException e) {
      work.notBegun(job);
      settler.add(Settlement.of(job, Fate.HANDED_BACK, work));
      return;
    }
    handle(fetched);
  }

  private void handle(Fetched fetched) {
    ClaimedJob job = fetched.job();
    Handling<?> handling = handlings.get(job.kind());
    if (handling == null) {
      settler.add(Settlement.of(job, Fate.HANDED_BACK, work)); // claims ask for known kinds only
      return;
    }
    attempt(fetched, handling);
  }

  private <P> void attempt(Fetched fetched, Handling<P> handling) {
    ClaimedJob job = fetched.job();
    Optional<byte[]> bytes;
    try {
      bytes = payloads.of(job);
    } catch (PgBelayException e) {
      work.notBegun(job);
      settler.add(failed(job, e, handling.retry(), Thread.interrupted(), false));
      return;
    }
    if (bytes.isEmpty()) {
      work.notBegun(job);
      work.settled(1); // others have finished it
      return;
    }
    P payload;
    try {
      payload = handling.kind().codec().decode(bytes.get());
    } catch (Throwable e) {
      work.notBegun(job);
      LOG.warn("{}: its payload cannot be read ({})", job, e.getClass().getName());
      settler.add(
          Settlement.of(job, Fate.DEAD, work)
              .because("payload cannot be read: " + e.getClass().getName()));
      return;
    }
    if (!handling.permit().map(GuardedPermit::begin).orElse(true)) {
      settler.add(Settlement.of(job, Fate.HANDED_BACK, work));
      return;
    }
    JobContext context =
        new JobContext(job, fetched.identity(), sql, meters, work, fetched.position());
    long start = System.nanoTime();
    @Nullable JobOutcome outcome = null;
    @Nullable Throwable failure = null;
    meters.began(job);
    clock.begin(job, context, job.deadline().or(handling::deadline));
    try {
      outcome = handling.handler().run(context, payload);
      if (outcome == null && !context.isCompleteCalled()) {
        failure = saidNothing(job);
      }
    } catch (Throwable e) {
      failure = e;
    }
    AttemptClock.Ended end = clock.end();
    boolean interrupted = Thread.interrupted();
    long nanos = System.nanoTime() - start;
    meters.ran(job.kind(), nanos);
    if (handling.permit().isPresent()) {
      handling.permit().get().end(Duration.ofNanos(nanos), Optional.ofNullable(failure));
    }
    if (context.isCompleted()) {
      meters.settled(work.queue(), job.kind(), Fate.DONE, 1);
      meters.ended(Settlement.Subject.of(job), Fate.DONE, null);
      work.settled(1);
      if (job.keyed()) {
        work.handedOn();
      }
      return;
    }
    if (end.cancelledFor() != null && !hasEnded(outcome, failure)) {
      settler.add(
          Settlement.of(job, Fate.CANCELLED, work)
              .because(end.cancelledFor())
              .perhapsDone(context.isCompleteCalled()));
      return;
    }
    Settlement settlement =
        failure != null
            ? failed(job, failure, handling.retry(), interrupted, end.overdue())
            : outcome == null || context.isCompleteCalled()
                ? uncommitted(job, handling.retry())
                : ended(job, outcome);
    settler.add(settlement.perhapsDone(context.isCompleteCalled()));
  }

  /** Null would have to be taken for done, and a job whose work was not done would be gone. */
  private static PgBelayException saidNothing(ClaimedJob job) {
    return new PgBelayException(
        "the handler of kind '"
            + job.kind()
            + "' returned null: return JobOutcome.done(), or what else is to become of the job");
  }

  private static boolean hasEnded(@Nullable JobOutcome outcome, @Nullable Throwable failure) {
    return failure == null
        && (outcome == null
            || outcome.verdict() == Verdict.DONE
            || outcome.verdict() == Verdict.DISCARD);
  }

  private Settlement ended(ClaimedJob job, JobOutcome outcome) {
    Verdict verdict = outcome.verdict();
    @Nullable String reason = outcome.reason().orElse(null);
    Duration delay = outcome.delay().orElse(Duration.ZERO);
    return switch (verdict) {
      case DONE -> Settlement.of(job, Fate.DONE, work);
      case DISCARD -> Settlement.of(job, Fate.DISCARDED, work).because(reason);
      case SNOOZE -> Settlement.of(job, Fate.SNOOZED, work).after(delay);
      case RETRY_LATER ->
          retried(job, Optional.of(delay), reason == null ? "retry asked for" : reason);
    };
  }

  private Settlement uncommitted(ClaimedJob job, RetryPolicy retry) {
    return retried(
        job,
        retry.pauseAfter(new IllegalStateException(), job.attempt()),
        "complete(tx) was called, and its transaction was not committed");
  }

  private Settlement failed(
      ClaimedJob job, Throwable failure, RetryPolicy retry, boolean interrupted, boolean overdue) {
    if (!overdue && stopping.get() && (interrupted || failure instanceof InterruptedException)) {
      return Settlement.of(job, Fate.HANDED_BACK, work);
    }
    LOG.info("{} failed: {}", job, failure.getClass().getName());
    LOG.debug("{} failed", job, failure);
    String reason = (overdue ? "interrupted at its deadline: " : "") + FailureText.of(failure);
    return retried(job, retry.pauseAfter(failure, job.attempt()), reason);
  }

  private Settlement retried(ClaimedJob job, Optional<Duration> pause, String reason) {
    if (pause.isEmpty() || job.attempt() >= job.maxAttempts()) {
      LOG.warn("{} becomes a dead letter", job);
      return Settlement.of(job, Fate.DEAD, work).because(reason);
    }
    return Settlement.of(job, Fate.RETRIED, work).because(reason).after(pause.get());
  }
}

package dev.pgbelay.jobqueue.testing;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.internal.OptionRange;
import dev.pgbelay.jobqueue.JobHandler;
import dev.pgbelay.jobqueue.JobWorker;
import dev.pgbelay.jobqueue.JobWorkerBuilder;
import dev.pgbelay.jobqueue.events.JobEvent;
import dev.pgbelay.jobqueue.internal.ManualAccess;
import dev.pgbelay.jobqueue.internal.ManualAccess.Drive;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/**
 * Runs the jobs of a {@link JobWorker} that is not started, on the thread of the test and with the
 * same statements: what is due is claimed, handled and written when the test says so, and nothing
 * happens in between. Time passes when the test says so, too: {@link #advance} moves the jobs, so
 * that no test has to wait for a delay or a pause between attempts.
 *
 * <p>Give it the builder that the service uses; its handlers, retry policies and queues hold, its
 * concurrency, deadlines of attempts and metrics do not. Commits transactions of its own, so call
 * it outside of one. Not safe for several threads.
 */
public final class ManualWorker implements AutoCloseable {
  /** So many jobs of a queue are claimed before the first is run. */
  private static final int CLAIMED_AT_ONCE = 1_000;

  /** More attempts than this in one call, and the jobs bring themselves back again and again. */
  private static final int MOST_ATTEMPTS = 10_000;

  private static final Duration LONGEST = Duration.ofDays(3_650);

  private final JobWorkerBuilder builder;
  private final Drive drive;
  private final Calls calls = new Calls();
  private final TestKitSql sql;

  private ManualWorker(JobWorkerBuilder builder) {
    this.builder = builder;
    this.drive = ManualAccess.open(builder, calls, CLAIMED_AT_ONCE);
    this.sql = new TestKitSql(drive.schema());
  }

  /** By what they are called as events. */
  private static Map<JobEvent.Type, Integer> ends(Map<String, Integer> fates) {
    Map<JobEvent.Type, Integer> ends = new EnumMap<>(JobEvent.Type.class);
    fates.forEach(
        (fate, jobs) -> ends.put(JobEvent.Type.valueOf(fate.toUpperCase(Locale.ROOT)), jobs));
    return ends;
  }

  /**
   * A worker with the builder's handlers; the builder may be used again.
   *
   * @throws PgBelayException as {@link JobWorkerBuilder#build}
   */
  public static ManualWorker of(JobWorkerBuilder builder) {
    return new ManualWorker(builder);
  }

  /** Counts calls of handlers, and keeps what they throw. */
  private static final class Calls implements ManualAccess.Around {
    private final AtomicInteger count = new AtomicInteger();
    private final List<Throwable> thrown = new ArrayList<>();

    @Override
    public <P> JobHandler<P> wrap(JobHandler<P> handler) {
      return (context, payload) -> {
        count.incrementAndGet();
        try {
          return handler.run(context, payload);
        } catch (Throwable e) {
          synchronized (thrown) {
            thrown.add(e);
          }
          throw e;
        }
      };
    }

    private Drained taken(Map<String, Integer> fates, int refused) {
      synchronized (thrown) {
        Drained drained = new Drained(count.getAndSet(0), ends(fates), refused, thrown);
        thrown.clear();
        return drained;
      }
    }
  }

  /**
   * Runs everything that is due, also what falls due by that, until nothing is.
   *
   * @throws AssertionError after 10,000 attempts: jobs that snooze for no time would go on for ever
   */
  public Drained drain() {
    Map<String, Integer> settledBefore = drive.settled();
    int refusedBefore = drive.refused();
    drainAll(drive, calls);
    return since(settledBefore, refusedBefore);
  }

  private Drained since(Map<String, Integer> settledBefore, int refusedBefore) {
    return calls.taken(minus(drive.settled(), settledBefore), drive.refused() - refusedBefore);
  }

  private static void drainAll(Drive drive, Calls calls) {
    try {
      while (drive.claim() > 0) {
        drive.run();
        drive.settle();
        if (calls.count.get() > MOST_ATTEMPTS) {
          throw new AssertionError(
              "more than "
                  + MOST_ATTEMPTS
                  + " attempts, and jobs are still due: does a handler snooze or retry without a"
                  + " pause, or enqueue its own kind again?");
        }
      }
    } catch (Exception e) {
      throw new PgBelayException("the jobs that are due could not be run: " + e.getMessage(), e);
    }
  }

  private static Map<String, Integer> minus(Map<String, Integer> all, Map<String, Integer> less) {
    Map<String, Integer> rest = new LinkedHashMap<>();
    all.forEach(
        (fate, count) -> {
          int left = count - less.getOrDefault(fate, 0);
          if (left > 0) {
            rest.put(fate, left);
          }
        });
    return rest;
  }

  /**
   * Lets time pass for all jobs of the schema: what was to run in an hour is due after an advance
   * of an hour. Schedules, leases and the database's clock stay as they are.
   *
   * @param time up to ten years
   */
  public ManualWorker advance(Duration time) {
    OptionRange.require("time", time, Duration.ZERO, LONGEST);
    drive.transactions().execute(tx -> sql.advance(tx.dsl(), time));
    return this;
  }

  /** {@link #advance} and {@link #drain}. */
  public Drained drainAfter(Duration time) {
    return advance(time).drain();
  }

  /** How many jobs of the schema are due, of any kind and queue. */
  public int due() {
    return drive.transactions().run(tx -> sql.countDue(tx.dsl()));
  }

  /**
   * Runs what is due with a fault in the first attempt of each, up to 1,000 jobs, and then to the
   * end: each handler is called twice, unless it had completed its job in its own transaction
   * before. The first attempt counts, so a job with one attempt becomes a dead letter.
   *
   * @return what both attempts came to; what the first one wanted to write is in {@code refused}
   */
  public Drained drainWith(HandlerFault fault) {
    Map<String, Integer> settledBefore = drive.settled();
    int refusedBefore = drive.refused();
    Drained first;
    try (Drive faulty = ManualAccess.open(builder, calls, CLAIMED_AT_ONCE)) {
      faulty.claim();
      switch (fault) {
        case KILLED_BEFORE_ACKNOWLEDGEMENT -> {
          faulty.run();
          faulty.loseLease();
        }
        case PAUSED_PAST_LEASE -> {
          faulty.loseLease();
          drainAll(drive, calls);
          faulty.run();
        }
        case RUN_TWICE -> {
          faulty.loseLease();
          runBoth(faulty);
        }
      }
      faulty.settle();
      first = new Drained(0, ends(faulty.settled()), faulty.refused(), List.of());
    } catch (RuntimeException e) {
      throw e;
    } catch (Exception e) {
      throw new PgBelayException("the fault could not be made: " + e.getMessage(), e);
    }
    drainAll(drive, calls);
    return since(settledBefore, refusedBefore).plus(first);
  }

  private void runBoth(Drive faulty) throws Exception {
    CyclicBarrier start = new CyclicBarrier(2);
    CompletableFuture<@Nullable Void> other =
        CompletableFuture.runAsync(
            () -> {
              await(start);
              drainAll(drive, calls);
            },
            task -> {
              Thread thread = new Thread(task, "pgbelay-second-attempt");
              thread.setDaemon(true);
              thread.start();
            });
    await(start);
    faulty.run();
    try {
      other.join();
    } catch (CompletionException e) {
      if (e.getCause() instanceof Error error) {
        throw error;
      }
      throw e;
    }
  }

  private static void await(CyclicBarrier start) {
    try {
      start.await();
    } catch (Exception e) {
      throw new PgBelayException("two attempts could not begin together", e);
    }
  }

  /** Hands back what is claimed, and ends its heartbeats. */
  @Override
  public void close() {
    drive.close();
  }
}

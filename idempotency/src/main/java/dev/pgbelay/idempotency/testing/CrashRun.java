package dev.pgbelay.idempotency.testing;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.BiPredicate;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;

/** One request that a first process does not bring to its end undisturbed. For one thread. */
final class CrashRun<R> {
  private static final long PAUSE = 10;

  /** See {@link CrashPoints}. */
  record Limits(Duration patience, Duration stoppedFor) {}

  /** What a process got out of the operation. */
  private record Got<R>(String process, Optional<R> answer, @Nullable Throwable failure) {}

  private final DataSource database;
  private final CrashPoints.Attempt<R> operation;
  private final Limits limits;
  private final String key;
  private final List<Got<R>> all = new ArrayList<>();
  private final List<String> violations = new ArrayList<>();
  private List<String> boundaries = List.of();
  private int processes;

  CrashRun(DataSource database, CrashPoints.Attempt<R> operation, Limits limits, String key) {
    this.database = database;
    this.operation = operation;
    this.limits = limits;
    this.key = key;
  }

  List<String> boundaries() {
    return boundaries;
  }

  List<String> violations() {
    return violations;
  }

  void run(SimulatedProcess.@Nullable Fate fate) {
    First first = new First(fate);
    first.start();
    first.awaitEndOrStop();
    if (!first.isOver()) {
      untilAnswered(limits.stoppedFor());
    }
    first.finish();
    boundaries = first.passed();
    if (answer().isEmpty()) {
      untilAnswered(limits.patience());
    }
    oneMore();
  }

  private void untilAnswered(Duration limit) {
    long start = System.nanoTime();
    while (oneMore().isEmpty()) {
      if (System.nanoTime() - start > limit.toNanos()) {
        return;
      }
      sleep();
    }
  }

  private static void sleep() {
    try {
      TimeUnit.MILLISECONDS.sleep(PAUSE);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new dev.pgbelay.core.PgBelayException("interrupted between two processes", e);
    }
  }

  private Optional<R> oneMore() {
    SimulatedProcess process =
        new SimulatedProcess("process " + ++processes + " of key " + key, database, null);
    Got<R> got = call(process);
    process.end();
    all.add(got);
    return got.answer();
  }

  private Got<R> call(SimulatedProcess process) {
    try {
      return new Got<>(process.toString(), operation.call(process, key), null);
    } catch (Exception | ProcessKilledError e) {
      return new Got<>(process.toString(), Optional.empty(), e);
    }
  }

  private Optional<R> answer() {
    return all.stream().flatMap(got -> got.answer().stream()).findFirst();
  }

  void check(long effects, BiPredicate<R, Long> consistent) {
    if (effects > 1) {
      violations.add("the provider acted " + effects + " times");
    }
    Optional<R> answer = answer();
    if (answer.isEmpty()) {
      violations.add("no answer after " + all.size() + " tries" + lastFailure());
      return;
    }
    long others =
        all.stream()
            .flatMap(got -> got.answer().stream())
            .filter(other -> !other.equals(answer.get()))
            .count();
    if (others > 0) {
      violations.add(others + " answers are not the one that was given first");
    }
    if (all.get(all.size() - 1).answer().isEmpty()) {
      violations.add("an answer was given, and later there was none" + lastFailure());
    }
    if (!consistent.test(answer.get(), effects)) {
      violations.add("the answer does not go with " + effects + " effects");
    }
  }

  private String lastFailure() {
    Throwable failure = all.get(all.size() - 1).failure();
    return failure == null ? "" : ", the last one failed: " + failure;
  }

  /** The first process, on a thread of its own, where it can stand still. */
  private final class First {
    private final SimulatedProcess.@Nullable Fate fate;
    private final CountDownLatch begun = new CountDownLatch(1);
    private final Thread thread = new Thread(this::live, "pgbelay-crash-points");
    private volatile @Nullable SimulatedProcess process;
    private volatile @Nullable Got<R> got;

    First(SimulatedProcess.@Nullable Fate fate) {
      this.fate = fate;
      thread.setDaemon(true);
    }

    private void live() {
      SimulatedProcess own =
          new SimulatedProcess("process " + ++processes + " of key " + key, database, fate);
      process = own;
      begun.countDown();
      got = call(own);
    }

    void start() {
      thread.start();
      try {
        begun.await();
      } catch (InterruptedException e) {
        throw interrupted(e);
      }
    }

    private SimulatedProcess process() {
      return java.util.Objects.requireNonNull(process, "begun");
    }

    void awaitEndOrStop() {
      try {
        while (thread.isAlive() && process().stopped().getCount() > 0) {
          TimeUnit.MILLISECONDS.sleep(1);
        }
      } catch (InterruptedException e) {
        throw interrupted(e);
      }
    }

    boolean isOver() {
      return !thread.isAlive();
    }

    /** Lets it go on, and waits for its end. */
    void finish() {
      process().resume();
      try {
        thread.join(limits.patience().toMillis());
      } catch (InterruptedException e) {
        throw interrupted(e);
      }
      if (thread.isAlive()) {
        violations.add("the first process did not come to an end");
      }
      process().end();
      Got<R> first = got;
      if (first != null) {
        all.add(0, first);
      }
    }

    List<String> passed() {
      return process().passed();
    }

    private RuntimeException interrupted(InterruptedException e) {
      process().end();
      Thread.currentThread().interrupt();
      return new dev.pgbelay.core.PgBelayException("interrupted while a process ran", e);
    }
  }
}

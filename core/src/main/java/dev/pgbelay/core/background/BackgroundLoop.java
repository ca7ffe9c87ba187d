package dev.pgbelay.core.background;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.internal.OptionName;
import dev.pgbelay.core.internal.ToldAlready;
import io.micrometer.core.instrument.MeterRegistry;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Runs one piece of work again and again on a thread of its own until it is stopped, whatever the
 * work throws.
 *
 * <p>While a pass finds work the next follows at once; while it finds none the pauses grow to a
 * maximum; after a failure they grow with jitter. {@link #wakeUp()} ends an idle pause at once, and
 * is not lost when it comes while a pass is running. A pause after a failure it shortens to its
 * first step, so that many wake-ups do not hammer a database that is down. A failed pass never ends
 * the loop, also not by an {@link Error}: after an {@link OutOfMemoryError} or another {@link
 * VirtualMachineError} it goes on with the longest pause. Who wants the process to end then says so
 * to the JVM ({@code -XX:+ExitOnOutOfMemoryError}).
 *
 * <p>The loop opens no transaction and holds no connection; the work takes and returns its own in
 * each pass, so a restart of PostgreSQL or an exhausted pool costs failed passes and no more.
 * Passes never overlap. The thread is a daemon named {@code pgbelay-} and the loop's name. A loop
 * is started once and stopped once. Thread-safe.
 */
public final class BackgroundLoop implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(BackgroundLoop.class);
  private static final Duration AFTER_INTERRUPT = Duration.ofSeconds(1);

  /** One pass of the work. */
  @FunctionalInterface
  public interface Work {
    /**
     * Does what there is to do now, and returns; long passes look at {@link
     * BackgroundLoop#isStopping()} between their steps. Whatever it throws counts as a failed pass.
     */
    Pass runOnce() throws Exception;
  }

  /** How a {@link #stop} ended. */
  public enum StopOutcome {
    /** The thread has ended by itself, or was never started. */
    FINISHED,
    /** The deadline passed, the thread was interrupted and has ended. */
    INTERRUPTED,
    /**
     * The thread was interrupted and still runs a pass that does not heed it; no pass follows this
     * one.
     */
    STILL_RUNNING,
    /** Called by the loop's own thread: the pass that is running is the last. */
    LAST_PASS
  }

  private final String name;
  private final Work work;
  private final Pacing pacing;
  private final Duration firstFailurePause;
  private final Duration longestFailurePause;
  private final Duration closeDeadline;
  private final LongSupplier nanoClock;
  private final LoopObserver observer;
  private final Thread thread;

  private final ReentrantLock passes = new ReentrantLock();
  private final LoopSignals signals;

  private volatile long lastSuccess;
  private final AtomicInteger failures = new AtomicInteger();

  private BackgroundLoop(Builder builder) {
    this.name = builder.name;
    this.work = builder.work;
    this.signals = new LoopSignals(builder.name);
    this.pacing =
        new Pacing(
            builder.firstIdlePause,
            builder.longestIdlePause,
            builder.firstFailurePause,
            builder.longestFailurePause);
    this.firstFailurePause = builder.firstFailurePause;
    this.longestFailurePause = builder.longestFailurePause;
    this.closeDeadline = builder.closeDeadline;
    this.nanoClock = builder.nanoClock;
    this.observer =
        builder.meterRegistry == null
            ? LoopObserver.NONE
            : new LoopMeters(builder.meterRegistry, builder.name);
    this.lastSuccess = nanoClock.getAsLong();
    this.thread = new Thread(this::loop, "pgbelay-" + name);
    this.thread.setDaemon(true);
  }

  public static Builder builder(String name, Work work) {
    return new Builder(name, work);
  }

  public String name() {
    return name;
  }

  /**
   * Starts the thread; its first pass follows at once.
   *
   * @throws PgBelayException if it was started or stopped before, or another running loop of that
   *     name reports to the same registry
   */
  public void start() {
    boolean started =
        signals.start(
            () -> {
              if (!observer.started(this)) {
                throw new PgBelayException(
                    "Another background loop named \""
                        + name
                        + "\" reports to this MeterRegistry, and would hide this one's failures:"
                        + " give them different names");
              }
              lastSuccess = nanoClock.getAsLong();
              thread.start();
            });
    if (!started) {
      throw new PgBelayException(
          "Background loop \""
              + name
              + "\" was started or stopped before: build a new one to start again");
    }
  }

  /**
   * Says that there is work: the next pass comes at once, or right after the one that is running.
   */
  public void wakeUp() {
    signals.wakeUp();
  }

  /**
   * Runs one pass on the calling thread, with the same bookkeeping as the loop's own; for tests,
   * and for services that keep their own schedule. Waits for a pass that is running.
   *
   * @throws Exception what the work threw
   */
  public Pass runOnce() throws Exception {
    passes.lock();
    try {
      long start = nanoClock.getAsLong();
      Pass pass;
      try {
        pass = work.runOnce();
      } catch (Throwable e) {
        failures.incrementAndGet();
        observer.failed(nanoClock.getAsLong() - start);
        throw e;
      }
      long end = nanoClock.getAsLong();
      lastSuccess = end;
      failures.set(0);
      observer.passed(pass, end - start);
      return pass;
    } finally {
      passes.unlock();
    }
  }

  /**
   * Lets the running pass end and starts no other. A pass that still runs at the deadline is
   * interrupted, and waited for one second more. (JDBC calls of pgjdbc do not heed an interrupt;
   * give statements a timeout.) Further calls wait likewise.
   */
  public StopOutcome stop(Duration deadline) {
    long until = System.nanoTime() + deadline.toNanos();
    signals.stop();
    if (Thread.currentThread() == thread) {
      return StopOutcome.LAST_PASS;
    }
    try {
      if (ended(until - System.nanoTime())) {
        return StopOutcome.FINISHED;
      }
      LOG.warn("Background loop {} did not end within {}: interrupting it", name, deadline);
      thread.interrupt();
      if (ended(AFTER_INTERRUPT.toNanos())) {
        return StopOutcome.INTERRUPTED;
      }
    } catch (InterruptedException e) {
      thread.interrupt();
      Thread.currentThread().interrupt();
    }
    LOG.error("Background loop {} still runs a pass that does not heed its interrupt", name);
    return StopOutcome.STILL_RUNNING;
  }

  private boolean ended(long nanos) throws InterruptedException {
    TimeUnit.NANOSECONDS.timedJoin(thread, Math.max(1, nanos));
    return !thread.isAlive();
  }

  /** As {@link #stop} with the deadline of {@link Builder#closeDeadline}. */
  @Override
  public void close() {
    stop(closeDeadline);
  }

  /** Whether the thread lives, be it on its last pass. */
  public boolean isRunning() {
    return thread.isAlive();
  }

  /** Whether a stop was asked for; for the work to look at between the steps of a long pass. */
  public boolean isStopping() {
    return signals.isStopping();
  }

  /**
   * Time since the last pass that did not fail; before the first one, since the start. Watch this.
   */
  public Duration sinceLastSuccess() {
    return Duration.ofNanos(nanoClock.getAsLong() - lastSuccess);
  }

  /** Failed passes since the last one that did not fail. */
  public int consecutiveFailures() {
    return failures.get();
  }

  private void loop() {
    try {
      while (!isStopping()) {
        try {
          step();
        } catch (Throwable e) {
          // Only logging, metering or waiting can throw here, and only for want of memory or by a
          // broken
          // meter. Nothing may end the loop but a stop.
          LockSupport.parkNanos(this, longestFailurePause.toNanos());
        }
      }
    } finally {
      end();
    }
  }

  private void end() {
    signals.ended();
    observer.ended();
  }

  private void step() {
    Duration pause;
    Duration deaf = Duration.ZERO;
    if (signals.takeWakeUp()) {
      pacing.woken();
    }
    try {
      int failedBefore = failures.get();
      pause = pacing.after(runOnce());
      if (failedBefore > 0) {
        LOG.info("Background loop {} works again after {} failed passes", name, failedBefore);
      }
    } catch (Throwable e) {
      pause = pacing.after(e);
      deaf = pause.compareTo(firstFailurePause) < 0 ? pause : firstFailurePause;
      if (e instanceof InterruptedException && isStopping()) {
        return;
      }
      logFailure(e, pause);
    }
    signals.await(deaf, pause);
  }

  private void logFailure(Throwable e, Duration pause) {
    int count = failures.get();
    if (e instanceof ToldAlready) {
      LOG.debug("Background loop {} failed; next pass in {}", name, pause, e);
    } else if (count <= 1) {
      LOG.warn("Background loop {} failed; next pass in {}", name, pause, e);
    } else if (Integer.bitCount(count) == 1) {
      LOG.warn(
          "Background loop {} failed {} times in a row, no success for {}; next pass in {}: {}",
          name,
          count,
          sinceLastSuccess(),
          pause,
          e.toString());
    } else {
      LOG.debug("Background loop {} failed; next pass in {}", name, pause, e);
    }
  }

  /** Options of a {@link BackgroundLoop}. Not thread-safe. */
  public static final class Builder {
    private static final Duration SHORTEST = Duration.ofMillis(10);
    private static final Duration LONGEST = Duration.ofHours(1);

    private final String name;
    private final Work work;
    private Duration firstIdlePause = Duration.ofMillis(100);
    private Duration longestIdlePause = Duration.ofSeconds(5);
    private Duration firstFailurePause = Duration.ofMillis(200);
    private Duration longestFailurePause = Duration.ofSeconds(30);
    private Duration closeDeadline = Duration.ofSeconds(10);
    private LongSupplier nanoClock = System::nanoTime;
    private @Nullable MeterRegistry meterRegistry;

    private Builder(String name, Work work) {
      this.name = OptionName.require(name, 63);
      this.work = work;
    }

    /** The pauses while there is no work, doubling with jitter: 100 ms to 5 s unless said. */
    public Builder idlePause(Duration first, Duration longest) {
      require("idlePause", first, longest);
      this.firstIdlePause = first;
      this.longestIdlePause = longest;
      return this;
    }

    /** The pauses while passes fail, doubling with jitter: 200 ms to 30 s unless said. */
    public Builder failurePause(Duration first, Duration longest) {
      require("failurePause", first, longest);
      this.firstFailurePause = first;
      this.longestFailurePause = longest;
      return this;
    }

    /** How long {@link BackgroundLoop#close()} waits before it interrupts: 10 s unless said. */
    public Builder closeDeadline(Duration deadline) {
      if (deadline.isNegative() || deadline.compareTo(LONGEST) > 0) {
        throw new PgBelayException(
            "closeDeadline is " + deadline + ": must be between PT0S and " + LONGEST);
      }
      this.closeDeadline = deadline;
      return this;
    }

    /** Where the meters {@code pgbelay.background.…} go; none unless said. */
    public Builder meterRegistry(@Nullable MeterRegistry registry) {
      this.meterRegistry = registry;
      return this;
    }

    /** The clock that ages are read from, {@link System#nanoTime} unless said; pauses are real. */
    public Builder nanoClock(LongSupplier clock) {
      this.nanoClock = clock;
      return this;
    }

    public BackgroundLoop build() {
      return new BackgroundLoop(this);
    }

    private static void require(String option, Duration first, Duration longest) {
      if (first.compareTo(SHORTEST) < 0
          || longest.compareTo(first) < 0
          || longest.compareTo(LONGEST) > 0) {
        throw new PgBelayException(
            option
                + " is "
                + first
                + " to "
                + longest
                + ": must be ascending between "
                + SHORTEST
                + " and "
                + LONGEST);
      }
    }
  }
}

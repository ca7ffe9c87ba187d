package dev.pgbelay.jobqueue;

import dev.pgbelay.core.background.BackgroundLoop;
import dev.pgbelay.core.background.Pass;
import io.micrometer.core.instrument.MeterRegistry;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** The threads that run handlers, and the watch over the deadlines of their attempts. */
final class AttemptThreads {
  private static final Duration LOOK = Duration.ofMillis(50);

  private final ThreadFactory factory;
  private final List<AttemptRunner> runners = new ArrayList<>();
  private final List<Thread> threads = new ArrayList<>();
  private final BackgroundLoop deadlines;
  private boolean ends;
  private volatile long endAt;

  AttemptThreads(String name, ThreadFactory factory, @Nullable MeterRegistry registry) {
    this.factory = factory;
    this.deadlines =
        BackgroundLoop.builder("jobs-" + name + "-deadline", this::checkDeadlines)
            .idlePause(LOOK, LOOK)
            .meterRegistry(registry)
            .build();
  }

  void add(AttemptRunner runner) {
    runners.add(runner);
    threads.add(factory.newThread(runner));
  }

  private Pass checkDeadlines() {
    runners.forEach(AttemptRunner::checkDeadline);
    return Pass.idle();
  }

  void start() {
    deadlines.start();
    threads.forEach(Thread::start);
  }

  /** What somebody wants cancelled, by id. */
  void cancel(Map<Long, String> reasons) {
    runners.forEach(runner -> runner.cancel(reasons));
  }

  /** One of those that run the jobs of a queue. */
  AttemptRunner anyOf(Work queue) {
    return runners.stream().filter(runner -> runner.isOf(queue)).findFirst().orElseThrow();
  }

  int alive() {
    return (int) threads.stream().filter(Thread::isAlive).count();
  }

  void interrupt() {
    threads.stream().filter(Thread::isAlive).forEach(Thread::interrupt);
  }

  /** Until when {@link #await} waits, also one that waits already; only ever earlier. */
  synchronized void endBy(long nanoTime) {
    if (!ends || nanoTime - endAt < 0) {
      endAt = nanoTime;
    }
    ends = true;
  }

  /** Until the threads have ended, or the end that was set and a bit. */
  void await(Duration longer) {
    boolean wasInterrupted = false;
    while (alive() > 0 && endAt + longer.toNanos() - System.nanoTime() > 0) {
      try {
        TimeUnit.MILLISECONDS.sleep(5);
      } catch (InterruptedException e) {
        wasInterrupted = true;
        endBy(System.nanoTime());
      }
    }
    if (wasInterrupted) {
      Thread.currentThread().interrupt();
    }
  }

  /** Ends the watch over deadlines. */
  void close() {
    deadlines.close();
  }
}

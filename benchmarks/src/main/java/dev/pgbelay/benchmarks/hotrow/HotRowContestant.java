package dev.pgbelay.benchmarks.hotrow;

import dev.pgbelay.benchmarks.BenchSettings;
import dev.pgbelay.benchmarks.Contestant;
import dev.pgbelay.benchmarks.Measurement;
import dev.pgbelay.benchmarks.Work;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/** Lets all writers increment for a while, and compares the counter with what they say they did. */
final class HotRowContestant implements Contestant {
  /** For each of the repeats that the command line allows; 1.5 s with the 300 of the default. */
  private static final long NANOS_PER_REPEAT = 5_000_000;

  interface Increment {
    void run() throws Exception;
  }

  private final String name;
  private final Increment increment;
  private final Callable<Long> value;
  private final long nanos;

  HotRowContestant(String name, Increment increment, Callable<Long> value, BenchSettings settings) {
    this.name = name;
    this.increment = increment;
    this.value = value;
    this.nanos = settings.repeats() * NANOS_PER_REPEAT;
  }

  @Override
  public String name() {
    return name;
  }

  @Override
  public List<Measurement> measure(String part) throws Exception {
    long before = value.call();
    ExecutorService writers = Executors.newFixedThreadPool(HotRowScenario.WRITERS);
    long done = 0;
    long start = System.nanoTime();
    try {
      List<Future<Long>> running = new ArrayList<>();
      for (int i = 0; i < HotRowScenario.WRITERS; i++) {
        running.add(writers.submit(() -> incrementUntil(start + nanos)));
      }
      for (Future<Long> each : running) {
        done += each.get();
      }
    } finally {
      writers.shutdownNow();
    }
    double seconds = (System.nanoTime() - start) / 1e9;
    long added = value.call() - before;
    return List.of(
        new Measurement(
            "increments-per-second",
            done / seconds,
            "increments/s",
            new Work(done, added),
            new Work(done, done)));
  }

  private long incrementUntil(long end) throws Exception {
    long done = 0;
    do {
      increment.run();
      done++;
    } while (System.nanoTime() < end);
    return done;
  }
}

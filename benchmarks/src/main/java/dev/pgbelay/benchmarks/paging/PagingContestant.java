package dev.pgbelay.benchmarks.paging;

import dev.pgbelay.benchmarks.Contestant;
import dev.pgbelay.benchmarks.Measurement;
import dev.pgbelay.benchmarks.Work;
import dev.pgbelay.benchmarks.events.Event;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/**
 * Reads each target repeatedly and reports the median: up to {@code maxReads} reads, but no more
 * than fit into {@value #BUDGET_MS} ms, so that one read a round is all that a very slow page gets.
 */
final class PagingContestant implements Contestant {
  private static final long BUDGET_MS = 100;

  /** Makes the reader of a target; whatever can be prepared once per query is prepared here. */
  interface Readers {
    PageReader of(Target target) throws Exception;
  }

  private final String name;
  private final int maxReads;
  private final Map<String, Target> targets = new LinkedHashMap<>();
  private final Map<String, PageReader> readers = new LinkedHashMap<>();

  PagingContestant(String name, int maxReads, List<Target> targets, Readers readers)
      throws Exception {
    this.name = name;
    this.maxReads = maxReads;
    for (Target target : targets) {
      this.targets.put(target.part(), target);
      this.readers.put(target.part(), readers.of(target));
    }
  }

  @Override
  public String name() {
    return name;
  }

  @Override
  public boolean takesPart(String part) {
    return readers.containsKey(part);
  }

  @Override
  public List<Measurement> measure(String part) throws Exception {
    PageReader reader = readers.get(part);
    Target target = targets.get(part);
    if (reader == null || target == null) {
      throw new IllegalArgumentException(name + " does not take part in " + part);
    }
    long[] nanos = new long[maxReads];
    int reads = 0;
    long end = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(BUDGET_MS);
    Work did = target.expected();
    while (reads < maxReads && (reads == 0 || System.nanoTime() < end)) {
      long start = System.nanoTime();
      List<Event> page = reader.read();
      nanos[reads++] = System.nanoTime() - start;
      Work seen = Event.workOf(page);
      if (!seen.equals(target.expected())) {
        did = seen;
      }
    }
    Arrays.sort(nanos, 0, reads);
    double millis = nanos[reads / 2] / 1e6;
    return List.of(new Measurement(part, millis, "ms", did, target.expected()));
  }
}

package dev.pgbelay.benchmarks.queue;

import dev.pgbelay.benchmarks.Contestant;
import dev.pgbelay.benchmarks.Measurement;
import dev.pgbelay.benchmarks.Work;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/**
 * One job at a time, from the call that enqueues it to the start of its handler.
 *
 * @param ways by part
 * @param share of the repeats; those that poll have fewer
 */
record LatencyContestant(String name, Map<String, LatencyWay> ways, int repeats, int share)
    implements Contestant {
  private static final int WARM_UPS = 20;

  @Override
  public boolean takesPart(String part) {
    return ways.containsKey(part);
  }

  @Override
  public List<Measurement> measure(String part) throws Exception {
    LatencyWay way = ways.get(part);
    if (way == null) {
      return List.of();
    }
    int times = Math.max(2, repeats / share);
    BlockingQueue<Long> arrivals = new LinkedBlockingQueue<>();
    QueueWay.Workers workers = way.start(() -> arrivals.add(System.nanoTime()));
    long[] nanos = new long[times];
    int surplus;
    try {
      for (int i = 0; i < WARM_UPS / share + 1; i++) {
        once(way, arrivals);
      }
      for (int i = 0; i < times; i++) {
        nanos[i] = once(way, arrivals);
      }
      surplus = arrivals.size();
    } finally {
      workers.stop();
    }
    Arrays.sort(nanos);
    Work did = new Work(times + surplus, 0);
    Work expected = new Work(times, 0);
    return List.of(
        new Measurement(part + "/p50-ms", nanos[times / 2] / 1e6, "ms", did, expected),
        new Measurement(part + "/p99-ms", nanos[times * 99 / 100] / 1e6, "ms", did, expected));
  }

  private static long once(LatencyWay way, BlockingQueue<Long> arrivals) throws Exception {
    long start = System.nanoTime();
    way.enqueue();
    Long arrived = arrivals.poll(60, TimeUnit.SECONDS);
    if (arrived == null) {
      throw new IllegalStateException("a job did not begin within a minute");
    }
    TimeUnit.MILLISECONDS.sleep(60); // low load: all about it is over before the next one comes
    return arrived - start;
  }
}

package dev.pgbelay.benchmarks.latency;

import dev.pgbelay.benchmarks.Contestant;
import dev.pgbelay.benchmarks.Measurement;
import dev.pgbelay.benchmarks.Work;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/**
 * One job or message at a time, from where its way begins to the start of its handler. What polls
 * has a share of the repeats.
 */
public final class LatencyContestant implements Contestant {
  /** Before the first round, so many at once: a service's JVM has compiled all this long ago. */
  private static final int FIRST_GROUP = 20;

  private static final int MOST_GROUPS = 50;
  private static final int WARM_UPS = 3;

  private final String name;
  private final Map<String, LatencyWay> ways;
  private final int repeats;
  private final int share;
  private final Set<String> warm = new HashSet<>();

  /**
   * Of one name.
   *
   * @param ways by part
   * @param repeats in a round
   * @param share of the repeats that it does: one in so many
   */
  public LatencyContestant(String name, Map<String, LatencyWay> ways, int repeats, int share) {
    this.name = name;
    this.ways = ways;
    this.repeats = repeats;
    this.share = share;
  }

  @Override
  public String name() {
    return name;
  }

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
    LatencyWay.Running workers = way.start(arrivals::add);
    long[] nanos = new long[times];
    int surplus;
    try {
      if (warm.add(part)) {
        warmUp(way, arrivals);
      }
      for (int i = 0; i < WARM_UPS; i++) {
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

  private void warmUp(LatencyWay way, BlockingQueue<Long> arrivals) throws Exception {
    int groups = Math.min(MOST_GROUPS, repeats);
    for (int i = 0; i < groups; i++) {
      for (int j = 0; j < FIRST_GROUP; j++) {
        way.send();
      }
      for (int j = 0; j < FIRST_GROUP; j++) {
        await(arrivals);
      }
    }
  }

  @Override
  public void close() {
    ways.values().forEach(LatencyWay::close);
  }

  private static long once(LatencyWay way, BlockingQueue<Long> arrivals) throws Exception {
    long start = way.send();
    long arrived = await(arrivals);
    TimeUnit.MILLISECONDS.sleep(60); // low load: all about it is over before the next one comes
    return arrived - start;
  }

  private static long await(BlockingQueue<Long> arrivals) throws InterruptedException {
    Long arrived = arrivals.poll(60, TimeUnit.SECONDS);
    if (arrived == null) {
      throw new IllegalStateException("one did not begin within a minute");
    }
    return arrived;
  }
}

package dev.pgbelay.benchmarks.outbox;

import dev.pgbelay.benchmarks.Contestant;
import dev.pgbelay.benchmarks.Measurement;
import dev.pgbelay.benchmarks.Work;
import dev.pgbelay.benchmarks.latency.LatencyContestant;
import java.util.Arrays;
import java.util.List;

/** What an event costs the transaction that appends it, beside how long it is on its way. */
record ProducerCost(LatencyContestant latency, OutboxWay way, int repeats) implements Contestant {
  static final String PART = "producer";
  private static final int MANY = 10;
  private static final int WARM_UPS = 500;

  @Override
  public String name() {
    return latency.name();
  }

  @Override
  public boolean takesPart(String part) {
    return part.equals(PART) || latency.takesPart(part);
  }

  @Override
  public List<Measurement> measure(String part) throws Exception {
    return part.equals(PART) ? cost() : latency.measure(part);
  }

  private List<Measurement> cost() throws Exception {
    way.reset();
    int warmUps = Math.min(WARM_UPS, repeats * MANY);
    long[] nanos = new long[repeats * MANY];
    for (int i = 0; i < warmUps; i++) {
      way.produce(i, "customer");
    }
    for (int i = 0; i < nanos.length; i++) {
      long start = System.nanoTime();
      way.produce(warmUps + (long) i, "customer");
      nanos[i] = System.nanoTime() - start;
    }
    Arrays.sort(nanos);
    long all = warmUps + (long) nanos.length;
    Work did = new Work(way.orders(), way.left());
    Work expected = new Work(all, way instanceof NoEvents ? 0 : all);
    return List.of(
        new Measurement(PART + "/p50-ms", nanos[nanos.length / 2] / 1e6, "ms", did, expected));
  }

  @Override
  public void close() {
    latency.close();
    way.close();
  }
}

package dev.pgbelay.benchmarks.outbox;

import dev.pgbelay.benchmarks.Contestant;
import dev.pgbelay.benchmarks.Measurement;
import dev.pgbelay.benchmarks.Work;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;

/** Has messages delivered while they are appended, or after all of them were. */
record OutboxContestant(String name, OutboxWay way, long events, boolean delivers)
    implements Contestant {
  static final String END_TO_END = "end-to-end";
  static final String BACKLOG = "backlog";
  static final int PRODUCERS = 8;
  private static final int KEYS = 200;
  private static final int BULK = 5_000;

  @Override
  public boolean takesPart(String part) {
    return delivers || part.equals(END_TO_END);
  }

  @Override
  public List<Measurement> measure(String part) throws Exception {
    way.reset();
    OutboxWay.Delivered delivered = new OutboxWay.Delivered();
    double seconds = part.equals(BACKLOG) ? seconds(delivered) : secondsWithProducers(delivered);
    Work expected = delivers ? new Work(events, events * (events - 1) / 2) : new Work(0, 0);
    return List.of(
        new Measurement(
            "events-per-second",
            events / seconds,
            "events/s",
            new Work(delivered.messages(), delivered.sum()),
            expected));
  }

  private static String key(long number) {
    return "customer-" + number % KEYS;
  }

  private double seconds(OutboxWay.Delivered delivered) throws Exception {
    for (long from = 0; from < events; from += BULK) {
      way.fill(from, Math.min(events, from + BULK), OutboxContestant::key);
    }
    long start = System.nanoTime();
    OutboxWay.Relay relay = way.relay(delivered::message);
    return awaitDelivery(delivered, relay, start);
  }

  private double secondsWithProducers(OutboxWay.Delivered delivered) throws Exception {
    OutboxWay.Relay relay = way.relay(delivered::message);
    AtomicLong next = new AtomicLong();
    ExecutorService producers = Executors.newFixedThreadPool(PRODUCERS);
    try {
      long start = System.nanoTime();
      List<Future<?>> running = new ArrayList<>();
      for (int i = 0; i < PRODUCERS; i++) {
        running.add(
            producers.submit(
                () -> {
                  for (long n = next.getAndIncrement(); n < events; n = next.getAndIncrement()) {
                    way.produce(n, key(n));
                  }
                  return null;
                }));
      }
      for (Future<?> one : running) {
        one.get();
      }
      return awaitDelivery(delivered, relay, start);
    } finally {
      producers.shutdownNow();
    }
  }

  private double awaitDelivery(OutboxWay.Delivered delivered, OutboxWay.Relay relay, long start)
      throws Exception {
    try {
      while (delivers && (delivered.messages() < events || way.left() > 0)) {
        TimeUnit.MILLISECONDS.sleep(2);
      }
      return (System.nanoTime() - start) / 1e9;
    } finally {
      relay.stop();
    }
  }

  @Override
  public void close() {
    way.close();
  }
}

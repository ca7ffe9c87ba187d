package dev.pgbelay.examples.demo.batching;

import static dev.pgbelay.examples.demo.batching.Visits.HITS;
import static dev.pgbelay.examples.demo.batching.Visits.ID;
import static dev.pgbelay.examples.demo.batching.Visits.VISIT;

import dev.pgbelay.examples.demo.report.LineChart.Point;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.jooq.DSLContext;

/**
 * The service's other clients: each updates one row by its key, at a fixed rate. A write is late
 * from the moment at which it was due, so that one which waits behind another counts too.
 */
final class Clients {
  private static final int CLIENTS = 8;
  private static final int WRITES_PER_SECOND = 240;
  private static final int OLD_ROW_EVERY = 50;
  private static final long PERIOD = TimeUnit.SECONDS.toNanos(1) * CLIENTS / WRITES_PER_SECOND;
  private static final long LEAD_MILLIS = 700;
  private static final double SLICE_SECONDS = 0.1;

  /** What goes on while they write. */
  interface Meanwhile {
    void run() throws Exception;
  }

  private record Write(double dueSeconds, double millis) {}

  /**
   * What they saw.
   *
   * @param otherMillis how long the other work took
   * @param p99 of the writes due meanwhile, in milliseconds
   * @param late writes that took more than a quarter of a second
   * @param worst the slowest write due in each tenth of a second, over the time
   */
  record Seen(double otherMillis, double p99, long late, List<Point> worst) {}

  private final DSLContext dsl;
  private final long rows;

  Clients(DSLContext dsl, long rows) {
    this.dsl = dsl;
    this.rows = rows;
  }

  /** They write for a while alone, then while the other work goes on, then for a while alone. */
  Seen during(Meanwhile work, long seed) throws Exception {
    ExecutorService threads = Executors.newFixedThreadPool(CLIENTS);
    boolean[] over = {false};
    try {
      long start = System.nanoTime();
      List<Future<List<Write>>> running = new ArrayList<>();
      for (int client = 0; client < CLIENTS; client++) {
        long first = start + PERIOD * client / CLIENTS;
        Random random = new Random(seed + client);
        running.add(threads.submit(() -> write(start, first, random, over)));
      }
      Thread.sleep(LEAD_MILLIS);
      long begun = System.nanoTime();
      work.run();
      long ended = System.nanoTime();
      Thread.sleep(LEAD_MILLIS);
      synchronized (over) {
        over[0] = true;
      }
      return seen(writes(running), (begun - start) / 1e9, (ended - start) / 1e9);
    } finally {
      threads.shutdownNow();
    }
  }

  private List<Write> write(long start, long first, Random random, boolean[] over) {
    List<Write> writes = new ArrayList<>();
    for (long due = first; ; due += PERIOD) {
      for (long wait = due - System.nanoTime(); wait > 0; wait = due - System.nanoTime()) {
        LockSupport.parkNanos(wait);
      }
      synchronized (over) {
        if (over[0]) {
          return writes;
        }
      }
      dsl.update(VISIT).set(HITS, HITS.plus(1)).where(ID.eq(id(random))).execute();
      writes.add(new Write((due - start) / 1e9, (System.nanoTime() - due) / 1e6));
    }
  }

  private long id(Random random) {
    long half = rows / 2;
    long within = (long) (random.nextDouble() * half);
    return random.nextInt(OLD_ROW_EVERY) == 0 ? 1 + within : 1 + half + within;
  }

  private static List<Write> writes(List<Future<List<Write>>> running)
      throws InterruptedException, ExecutionException {
    List<Write> all = new ArrayList<>();
    for (Future<List<Write>> each : running) {
      all.addAll(each.get());
    }
    return all;
  }

  private static Seen seen(List<Write> all, double begun, double ended) {
    double next =
        all.stream().mapToDouble(Write::dueSeconds).filter(due -> due >= begun).min().orElse(begun);
    // One at least, however short the other work was.
    List<Double> meanwhile =
        all.stream()
            .filter(w -> w.dueSeconds() >= begun && w.dueSeconds() < Math.max(ended, next + 1e-9))
            .map(Write::millis)
            .sorted()
            .toList();
    TreeMap<Integer, Double> worst = new TreeMap<>();
    all.forEach(w -> worst.merge((int) (w.dueSeconds() / SLICE_SECONDS), w.millis(), Math::max));
    return new Seen(
        (ended - begun) * 1e3,
        meanwhile.isEmpty()
            ? Double.NaN
            : meanwhile.get(Math.min(meanwhile.size() - 1, meanwhile.size() * 99 / 100)),
        all.stream().filter(w -> w.millis() > 250).count(),
        worst.entrySet().stream()
            .map(slice -> new Point(slice.getKey() * SLICE_SECONDS, slice.getValue()))
            .toList());
  }
}

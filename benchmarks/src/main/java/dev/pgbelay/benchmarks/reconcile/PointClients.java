package dev.pgbelay.benchmarks.reconcile;

import com.zaxxer.hikari.HikariDataSource;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/**
 * Clients that each read or update one order by its key, at a fixed rate whatever happens: an
 * operation is late from the moment at which it was due.
 */
final class PointClients {
  static final int READERS = 8;
  static final int WRITERS = 8;
  static final int PER_SECOND = 400;

  /** One operation in so many goes to the first orders, those of the first customer. */
  static final int FIRST_EVERY = 50;

  private static final long PERIOD_NANOS =
      TimeUnit.SECONDS.toNanos(1) * (READERS + WRITERS) / PER_SECOND;

  private final HikariDataSource pool;
  private final long first;
  private final long orders;

  /**
   * @param first how many orders the first customer has
   * @param orders how many there are
   */
  PointClients(HikariDataSource pool, long first, long orders) {
    this.pool = pool;
    this.first = first;
    this.orders = orders;
  }

  /** What goes on meanwhile. */
  interface Meanwhile {
    void run() throws Exception;
  }

  /** 99th percentiles in milliseconds, and how long the other work took. */
  record Latencies(double readP99, double writeP99, long otherNanos) {}

  Latencies during(Meanwhile work, long seed) throws Exception {
    return latencies(List.of(all(work, seed)));
  }

  /** The same before and after, so that what else the machine does is in both. */
  record Beside(Latencies quiet, Latencies busy) {}

  Beside beside(Meanwhile work, long quietMillis, long seed) throws Exception {
    Meanwhile quiet = () -> TimeUnit.MILLISECONDS.sleep(quietMillis / 2);
    Millis before = all(quiet, seed);
    Millis busy = all(work, seed);
    Millis after = all(quiet, seed);
    return new Beside(latencies(List.of(before, after)), latencies(List.of(busy)));
  }

  private record Millis(List<double[]> reads, List<double[]> writes, long otherNanos) {}

  private Millis all(Meanwhile work, long seed) throws Exception {
    ExecutorService clients = Executors.newFixedThreadPool(READERS + WRITERS);
    boolean[] over = {false};
    try {
      long start = System.nanoTime();
      List<Future<double[]>> reading = new ArrayList<>();
      List<Future<double[]>> writing = new ArrayList<>();
      for (int client = 0; client < READERS + WRITERS; client++) {
        long due = start + PERIOD_NANOS * client / (READERS + WRITERS);
        Random random = new Random(seed + client);
        boolean reads = client % 2 == 0;
        String sql = reads ? ShopSql.READ_POINT : ShopSql.WRITE_POINT;
        (reads ? reading : writing).add(clients.submit(() -> operate(sql, due, random, over)));
      }
      work.run();
      long nanos = System.nanoTime() - start;
      synchronized (over) {
        over[0] = true;
      }
      return new Millis(get(reading), get(writing), nanos);
    } finally {
      clients.shutdownNow();
    }
  }

  private static Latencies latencies(List<Millis> all) {
    return new Latencies(
        p99(all.stream().flatMap(each -> each.reads().stream()).toList()),
        p99(all.stream().flatMap(each -> each.writes().stream()).toList()),
        all.stream().mapToLong(Millis::otherNanos).sum());
  }

  private double[] operate(String sql, long first, Random random, boolean[] over)
      throws SQLException {
    double[] millis = new double[1_024];
    int done = 0;
    for (long due = first; ; due += PERIOD_NANOS) {
      for (long wait = due - System.nanoTime(); wait > 0; wait = due - System.nanoTime()) {
        LockSupport.parkNanos(wait);
      }
      synchronized (over) {
        // One at least, however short the other work is.
        if (over[0] && done > 0) {
          return Arrays.copyOf(millis, done);
        }
      }
      one(sql, id(random));
      if (done == millis.length) {
        millis = Arrays.copyOf(millis, 2 * done);
      }
      millis[done++] = (System.nanoTime() - due) / 1e6;
    }
  }

  private long id(Random random) {
    return random.nextInt(FIRST_EVERY) == 0
        ? 1 + (long) (random.nextDouble() * first)
        : 1 + first + (long) (random.nextDouble() * (orders - first));
  }

  private void one(String sql, long id) throws SQLException {
    try (Connection connection = pool.getConnection();
        PreparedStatement statement = connection.prepareStatement(sql)) {
      statement.setLong(1, id);
      statement.execute();
    }
  }

  private static List<double[]> get(List<Future<double[]>> running)
      throws InterruptedException, ExecutionException {
    List<double[]> parts = new ArrayList<>();
    for (Future<double[]> each : running) {
      parts.add(each.get());
    }
    return parts;
  }

  private static double p99(List<double[]> parts) {
    double[] sorted = parts.stream().flatMapToDouble(Arrays::stream).sorted().toArray();
    return sorted[Math.min(sorted.length - 1, sorted.length * 99 / 100)];
  }
}

package dev.pgbelay.benchmarks.chunks;

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
 * Clients that each update one row by its key, at a fixed rate whatever happens: a write is late
 * from the moment at which it was due, so that one which had to wait behind another counts too.
 */
final class PointWriters {
  static final int CLIENTS = 16;
  static final int WRITES_PER_SECOND = 400;

  /** One write in so many goes to an old row: a late correction. */
  static final int OLD_ROW_EVERY = 50;

  private static final long PERIOD_NANOS =
      TimeUnit.SECONDS.toNanos(1) * CLIENTS / WRITES_PER_SECOND;

  private final HikariDataSource dataSource;
  private final long rows;

  PointWriters(HikariDataSource dataSource, long rows) {
    this.dataSource = dataSource;
    this.rows = rows;
  }

  /** What goes on while they write. */
  interface Meanwhile {
    void run() throws Exception;
  }

  /**
   * In milliseconds, of the writes that were due while the other work went on.
   *
   * @param otherNanos how long that was
   */
  record Latencies(double p50, double p99, double max, long otherNanos) {
    static Latencies of(double[] sorted, long otherNanos) {
      return new Latencies(
          at(sorted, 0.5), at(sorted, 0.99), sorted[sorted.length - 1], otherNanos);
    }

    private static double at(double[] sorted, double share) {
      return sorted[(int) Math.min(sorted.length - 1, sorted.length * share)];
    }
  }

  Latencies during(Meanwhile work, long seed) throws Exception {
    ExecutorService clients = Executors.newFixedThreadPool(CLIENTS);
    boolean[] over = {false};
    try {
      long start = System.nanoTime();
      List<Future<double[]>> running = new ArrayList<>();
      for (int client = 0; client < CLIENTS; client++) {
        long first = start + PERIOD_NANOS * client / CLIENTS;
        Random random = new Random(seed + client);
        running.add(clients.submit(() -> write(first, random, over)));
      }
      work.run();
      long nanos = System.nanoTime() - start;
      synchronized (over) {
        over[0] = true;
      }
      return Latencies.of(sorted(running), nanos);
    } finally {
      clients.shutdownNow();
    }
  }

  private double[] write(long first, Random random, boolean[] over) throws SQLException {
    double[] millis = new double[1_024];
    int writes = 0;
    for (long due = first; ; due += PERIOD_NANOS) {
      for (long wait = due - System.nanoTime(); wait > 0; wait = due - System.nanoTime()) {
        LockSupport.parkNanos(wait);
      }
      synchronized (over) {
        // One at least, however short the other work is.
        if (over[0] && writes > 0) {
          return Arrays.copyOf(millis, writes);
        }
      }
      write(id(random));
      if (writes == millis.length) {
        millis = Arrays.copyOf(millis, 2 * writes);
      }
      millis[writes++] = (System.nanoTime() - due) / 1e6;
    }
  }

  private long id(Random random) {
    long half = rows / 2;
    long within = (long) (random.nextDouble() * half);
    return random.nextInt(OLD_ROW_EVERY) == 0 ? 1 + within : 1 + half + within;
  }

  private void write(long id) throws SQLException {
    try (Connection connection = dataSource.getConnection();
        PreparedStatement statement = connection.prepareStatement(PurgeTableSql.WRITE_POINT)) {
      statement.setLong(1, id);
      statement.executeUpdate();
    }
  }

  private static double[] sorted(List<Future<double[]>> running)
      throws InterruptedException, ExecutionException {
    List<double[]> parts = new ArrayList<>();
    for (Future<double[]> each : running) {
      parts.add(each.get());
    }
    return parts.stream().flatMapToDouble(Arrays::stream).sorted().toArray();
  }
}

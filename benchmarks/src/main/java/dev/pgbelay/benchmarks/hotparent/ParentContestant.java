package dev.pgbelay.benchmarks.hotparent;

import dev.pgbelay.benchmarks.BenchSettings;
import dev.pgbelay.benchmarks.Contestant;
import dev.pgbelay.benchmarks.Measurement;
import dev.pgbelay.benchmarks.Work;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.LongStream;
import javax.sql.DataSource;

/** Inserts for a while, and counts what came of it. */
final class ParentContestant implements Contestant {
  private static final long NANOS_PER_REPEAT = 5_000_000;

  private final String name;
  private final DataSource pool;
  private final boolean foreignKey;
  private final ParentWays.Way way;
  private final long nanos;

  ParentContestant(
      String name,
      DataSource pool,
      boolean foreignKey,
      ParentWays.Way way,
      BenchSettings settings) {
    this.name = name;
    this.pool = pool;
    this.foreignKey = foreignKey;
    this.way = way;
    this.nanos = settings.repeats() * NANOS_PER_REPEAT;
  }

  @Override
  public String name() {
    return name;
  }

  /** A statement that is its own transaction is open no longer than it takes. */
  @Override
  public boolean takesPart(String part) {
    return way.isTransaction() || ParentPart.of(part).childMillis() == 0;
  }

  @Override
  public List<Measurement> measure(String title) throws Exception {
    ParentPart part = ParentPart.of(title);
    long before = number(count());
    long multixacts = number(ParentSql.MULTIXACTS);
    ExecutorService threads = Executors.newFixedThreadPool(ParentPart.MOST_THREADS);
    List<long[]> times = new ArrayList<>();
    long locks = 0;
    long start = System.nanoTime();
    try {
      List<Future<Long>> holding = new ArrayList<>();
      for (int i = 0; i < part.holders(); i++) {
        holding.add(threads.submit(() -> lock(part, start + nanos)));
      }
      List<Future<long[]>> inserting = new ArrayList<>();
      for (int i = 0; i < part.writers(); i++) {
        inserting.add(threads.submit(() -> insertUntil(start + nanos, part.childMillis())));
      }
      for (Future<long[]> each : inserting) {
        times.add(each.get());
      }
      for (Future<Long> each : holding) {
        locks += each.get();
      }
    } finally {
      threads.shutdownNow();
    }
    double seconds = nanos / 1e9;
    long[] all = times.stream().flatMapToLong(LongStream::of).sorted().toArray();
    Work did = new Work(number(count()) - before, 0);
    Work expected = new Work(all.length, 0);
    List<Measurement> figures = new ArrayList<>();
    figures.add(of(title, "inserts-per-second", all.length / seconds, "inserts/s", did, expected));
    figures.add(of(title, "p99", percentile(all), "ms", did, expected));
    if (part.holders() > 0) {
      figures.add(of(title, "parent-locks-per-second", locks / seconds, "locks/s", did, expected));
    } else if (foreignKey) {
      double made = Math.max(0, number(ParentSql.MULTIXACTS) - multixacts);
      figures.add(
          of(title, "multixacts-per-insert", made / all.length, "per insert", did, expected));
    }
    return figures;
  }

  private String count() {
    return foreignKey ? ParentSql.COUNT : ParentSql.COUNT_FREE;
  }

  private static Measurement of(
      String title, String what, double value, String unit, Work did, Work expected) {
    return new Measurement(title + "/" + what, value, unit, did, expected);
  }

  private static double percentile(long[] sorted) {
    return sorted[Math.min(sorted.length - 1, sorted.length * 99 / 100)] / 1e6;
  }

  /** The time of each. */
  private long[] insertUntil(long end, long openMillis) throws Exception {
    long[] times = new long[1_024];
    int done = 0;
    try (ParentWays.Inserter inserter = way.open()) {
      do {
        long began = System.nanoTime();
        inserter.insert(openMillis);
        if (done == times.length) {
          times = Arrays.copyOf(times, 2 * done);
        }
        times[done++] = System.nanoTime() - began;
      } while (System.nanoTime() < end);
    }
    return Arrays.copyOf(times, done);
  }

  private long lock(ParentPart part, long end) throws SQLException, InterruptedException {
    long locks = 0;
    try (Connection connection = pool.getConnection()) {
      connection.setAutoCommit(false);
      do {
        try (PreparedStatement statement = connection.prepareStatement(part.lock())) {
          statement.executeQuery().close();
        }
        TimeUnit.MILLISECONDS.sleep(part.holdMillis());
        connection.commit();
        locks++;
      } while (System.nanoTime() < end);
    }
    return locks;
  }

  private long number(String sql) throws SQLException {
    try (Connection connection = pool.getConnection();
        Statement statement = connection.createStatement();
        ResultSet row = statement.executeQuery(sql)) {
      row.next();
      return row.getLong(1);
    }
  }
}

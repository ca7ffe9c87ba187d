package dev.pgbelay.benchmarks.queue;

import dev.pgbelay.benchmarks.Contestant;
import dev.pgbelay.benchmarks.Measurement;
import dev.pgbelay.benchmarks.Work;
import java.sql.Connection;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;

/** Works for a while, as fast as it can or at an offered rate, also while the horizon is pinned. */
record SoakContestant(String name, QueueWay way, DataSource pool, long seconds)
    implements Contestant {
  static final String STEADY = "steady";
  static final String PINNED = "pinned";
  private static final int BULK = 5_000;
  private static final int MOST_WAITING = 40_000;

  @Override
  public List<Measurement> measure(String part) throws Exception {
    way.reset();
    QueueWay.Ran ran = new QueueWay.Ran();
    Feeder feeder = new Feeder(way, ran);
    QueueWay.Workers workers = way.work(ran);
    List<Figure> figures;
    try {
      figures = part.equals(STEADY) ? steady(feeder, ran) : pinned(feeder, ran);
      feeder.end();
      while (ran.jobs() < feeder.enqueued() || way.left() > 0) {
        TimeUnit.MILLISECONDS.sleep(5);
      }
    } finally {
      feeder.end();
      workers.stop();
    }
    Work did = new Work(ran.jobs(), 0);
    Work expected = new Work(feeder.enqueued(), 0);
    return figures.stream()
        .map(
            figure ->
                new Measurement(
                    part + "/" + figure.name(), figure.value(), figure.unit(), did, expected))
        .toList();
  }

  private record Figure(String name, double value, String unit) {}

  private List<Figure> steady(Feeder feeder, QueueWay.Ran ran) throws Exception {
    feeder.asFastAsPossible();
    long window = Math.max(1, Math.min(60, seconds / 4));
    TimeUnit.SECONDS.sleep(Math.min(3, window)); // the JVM is cold
    double first = rate(ran, window);
    TimeUnit.SECONDS.sleep(Math.max(0, seconds - 2 * window));
    double last = rate(ran, window);
    return List.of(
        new Figure("first-jobs-per-second", first, "jobs/s"),
        new Figure("last-jobs-per-second", last, "jobs/s"),
        new Figure("last-to-first", last / first, "x"));
  }

  private List<Figure> pinned(Feeder feeder, QueueWay.Ran ran) throws Exception {
    feeder.asFastAsPossible();
    long window = Math.max(1, seconds / 3);
    TimeUnit.SECONDS.sleep(Math.min(3, window));
    double free = rate(ran, window);
    try (Connection pin = pool.getConnection()) {
      pin.setAutoCommit(false);
      pin.setTransactionIsolation(Connection.TRANSACTION_REPEATABLE_READ);
      try (Statement statement = pin.createStatement()) {
        statement.execute(QueueSql.PIN_HORIZON);
      }
      double most = rate(ran, window);
      feeder.pause();
      while (ran.jobs() < feeder.enqueued()) {
        TimeUnit.MILLISECONDS.sleep(5);
      }
      feeder.atRate(free / 2);
      double offered = rate(ran, window);
      long backlog = feeder.enqueued() - ran.jobs();
      pin.rollback();
      return List.of(
          new Figure("unpinned-jobs-per-second", free, "jobs/s"),
          new Figure("pinned-jobs-per-second", most, "jobs/s"),
          new Figure("pinned-to-unpinned", most / free, "x"),
          new Figure("at-half-rate-jobs-per-second", offered, "jobs/s"),
          new Figure("backlog-seconds", backlog / (free / 2), "s"));
    }
  }

  private static double rate(QueueWay.Ran ran, long window) throws InterruptedException {
    long before = ran.jobs();
    long start = System.nanoTime();
    TimeUnit.SECONDS.sleep(window);
    return (ran.jobs() - before) / ((System.nanoTime() - start) / 1e9);
  }

  @Override
  public void close() {
    way.close();
  }

  /** Enqueues on a thread of its own. */
  private static final class Feeder {
    private static final double AT_ONCE = 0.05;

    private final QueueWay way;
    private final QueueWay.Ran ran;
    private final AtomicLong enqueued = new AtomicLong();
    private final AtomicBoolean stopped = new AtomicBoolean();
    private volatile double perSecond;
    private volatile @Nullable Exception failure;
    private final Thread thread = new Thread(this::feed, "soak-feeder");

    Feeder(QueueWay way, QueueWay.Ran ran) {
      this.way = way;
      this.ran = ran;
      thread.setDaemon(true);
      thread.start();
    }

    void asFastAsPossible() {
      perSecond = Double.MAX_VALUE;
    }

    void atRate(double jobs) {
      perSecond = jobs;
    }

    /** After this returns nothing is added until a rate is given. */
    void pause() throws InterruptedException {
      perSecond = 0;
      long before;
      do {
        before = enqueued.get();
        TimeUnit.MILLISECONDS.sleep(200);
      } while (before != enqueued.get());
    }

    long enqueued() {
      Exception failed = failure;
      if (failed != null) {
        throw new IllegalStateException("could not enqueue", failed);
      }
      return enqueued.get();
    }

    private void feed() {
      try {
        long next = System.nanoTime();
        while (!stopped.get()) {
          double rate = perSecond;
          if (rate == Double.MAX_VALUE) {
            if (enqueued.get() - ran.jobs() < MOST_WAITING) {
              add(BULK);
            } else {
              TimeUnit.MILLISECONDS.sleep(1);
            }
            next = System.nanoTime();
          } else if (rate > 0 && System.nanoTime() - next >= 0) {
            add((int) Math.max(1, rate * AT_ONCE));
            next += (long) (AT_ONCE * 1e9);
          } else {
            if (rate == 0) {
              next = System.nanoTime();
            }
            TimeUnit.MILLISECONDS.sleep(1);
          }
        }
      } catch (Exception e) {
        failure = e;
      }
    }

    private void add(int jobs) throws Exception {
      List<String> payloads = new ArrayList<>(Collections.nCopies(jobs, "0"));
      way.enqueue(payloads);
      enqueued.addAndGet(jobs);
    }

    void end() throws InterruptedException {
      stopped.set(true);
      thread.join();
    }
  }
}

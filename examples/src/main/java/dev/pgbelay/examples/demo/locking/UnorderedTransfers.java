package dev.pgbelay.examples.demo.locking;

import dev.pgbelay.core.FailureKind;
import dev.pgbelay.core.Failures;
import dev.pgbelay.examples.demo.DemoContext;
import dev.pgbelay.examples.demo.Study;
import dev.pgbelay.examples.demo.report.Chart.Role;
import dev.pgbelay.examples.demo.report.Comparison;
import dev.pgbelay.examples.demo.report.Damage;
import dev.pgbelay.examples.demo.report.LineChart;
import dev.pgbelay.examples.demo.report.LineChart.Axis;
import dev.pgbelay.examples.demo.report.LineChart.Line;
import dev.pgbelay.examples.demo.report.LineChart.Point;
import dev.pgbelay.examples.demo.report.LineChart.Scale;
import dev.pgbelay.examples.demo.report.Measure;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.jooq.DSLContext;
import org.jooq.exception.DataAccessException;

/**
 * How many transfers does a service make whose transactions lock as their requests list the rows?
 */
final class UnorderedTransfers implements Study {
  private static final int CLIENTS = 8;
  private static final long WARM_UP = TimeUnit.MILLISECONDS.toNanos(700);
  private static final long NANOS = TimeUnit.SECONDS.toNanos(5);
  private static final double SLICE_SECONDS = 0.1;
  private static final long LATE_MILLIS = 250;
  private static final String TASK = "Transfers between accounts";

  /** Moves money between these accounts, in a transaction of its own. */
  private interface Transfer {
    void move(List<Long> accounts);
  }

  private record Done(double endSeconds, double millis) {}

  private record Run(List<Done> transfers, long deadlocks) {
    double perSecond() {
      return transfers.size() * 1e9 / NANOS;
    }

    double deadlocksPerSecond() {
      return deadlocks * 1e9 / NANOS;
    }

    double p99() {
      List<Double> sorted = transfers.stream().map(Done::millis).sorted().toList();
      return sorted.isEmpty()
          ? Double.NaN
          : sorted.get(Math.min(sorted.size() - 1, sorted.size() * 99 / 100));
    }

    long late() {
      return transfers.stream().filter(d -> d.millis() > LATE_MILLIS).count();
    }

    /** How many were done in each tenth of a second. */
    List<Point> rate() {
      TreeMap<Integer, Integer> slices = new TreeMap<>();
      int last = (int) (NANOS / 1e9 / SLICE_SECONDS);
      for (int slice = 0; slice < last; slice++) {
        slices.put(slice, 0);
      }
      for (Done each : transfers) {
        slices.computeIfPresent((int) (each.endSeconds() / SLICE_SECONDS), (s, n) -> n + 1);
      }
      return slices.entrySet().stream()
          .map(slice -> new Point(slice.getKey() * SLICE_SECONDS, slice.getValue()))
          .toList();
    }
  }

  @Override
  public Findings run(DemoContext context) throws Exception {
    DSLContext dsl = context.primary();
    AtomicLong deadlocks = new AtomicLong();
    Run naive = run(context, deadlocks, accounts -> asListed(dsl, accounts, deadlocks));
    context.progress().step(TASK, 1, 2);
    deadlocks.set(0);
    Run safe = run(context, deadlocks, accounts -> inOrder(context, accounts));
    context.progress().step(TASK, 2, 2);
    return new Findings(List.of(comparison(naive, safe)), List.of(chart(naive, safe)));
  }

  private static void asListed(DSLContext dsl, List<Long> accounts, AtomicLong deadlocks) {
    while (true) {
      try {
        dsl.transaction(
            inner -> {
              for (long account : accounts) {
                inner
                    .dsl()
                    .selectFrom(Accounts.ACCOUNT)
                    .where(Accounts.ID.eq(account))
                    .forUpdate()
                    .fetchSingle();
              }
              Accounts.move(inner.dsl(), accounts);
            });
        return;
      } catch (DataAccessException e) {
        if (Failures.classify(e) != FailureKind.DEADLOCK) {
          throw e;
        }
        deadlocks.incrementAndGet();
      }
    }
  }

  private static void inOrder(DemoContext context, List<Long> accounts) {
    context
        .transactions()
        .execute(
            tx -> {
              Accounts.ORDER.acquire(tx, Accounts.ACCOUNTS.rows(accounts));
              Accounts.move(tx.dsl(), accounts);
            });
  }

  private static Run run(DemoContext context, AtomicLong deadlocks, Transfer transfer)
      throws Exception {
    Accounts.create(context.primary());
    ExecutorService clients = Executors.newFixedThreadPool(CLIENTS);
    try {
      long start = System.nanoTime() + WARM_UP;
      List<Future<List<Done>>> running = new ArrayList<>();
      for (int client = 0; client < CLIENTS; client++) {
        Random random = new Random(context.seed() + client);
        running.add(clients.submit(() -> transfers(transfer, random, start)));
      }
      Thread.sleep(TimeUnit.NANOSECONDS.toMillis(WARM_UP));
      deadlocks.set(0);
      List<Done> all = new ArrayList<>();
      for (Future<List<Done>> each : running) {
        all.addAll(each.get());
      }
      Accounts.requireNothingLost(context.primary());
      return new Run(all, deadlocks.get());
    } finally {
      clients.shutdownNow();
    }
  }

  /** Those that began before the end count, whenever they were done. */
  private static List<Done> transfers(Transfer transfer, Random random, long start) {
    List<Done> done = new ArrayList<>();
    for (long began = System.nanoTime(); began < start + NANOS; began = System.nanoTime()) {
      transfer.move(Accounts.three(random));
      long ended = System.nanoTime();
      if (ended >= start) {
        done.add(new Done((ended - start) / 1e9, (ended - began) / 1e6));
      }
    }
    return done;
  }

  private static Comparison comparison(Run naive, Run safe) {
    return new Comparison(
        "unordered-transfers",
        String.format(
            Locale.ROOT,
            "p99 of transfers between 3 of %d accounts, %d clients",
            Accounts.COUNT,
            CLIENTS),
        String.format(
            Locale.ROOT,
            "FOR UPDATE as listed, retried: %,.0f transfers, %.1f deadlocks a second",
            naive.perSecond(),
            naive.deadlocksPerSecond()),
        String.format(
            Locale.ROOT,
            "LockOrder.acquire: %,.0f transfers, %.1f deadlocks a second",
            safe.perSecond(),
            safe.deadlocksPerSecond()),
        Measure.millis(naive.p99()),
        Measure.millis(safe.p99()),
        List.of(
            new Damage("deadlocks", naive.deadlocks(), safe.deadlocks()),
            new Damage("transfers over 250 ms", naive.late(), safe.late())),
        "Each deadlock holds its rows until the server looks for it, and whoever wants one of them"
            + " waits as well.");
  }

  private static LineChart chart(Run naive, Run safe) {
    return new LineChart(
        "What deadlocks do to everybody",
        "Transfers done in each tenth of a second, by eight clients between three of fifty accounts.",
        new Axis("seconds", Scale.LINEAR, ""),
        new Axis("transfers", Scale.LINEAR, ""),
        List.of(
            new Line("as listed", Role.NAIVE, naive.rate()),
            new Line("pgbelay order", Role.SAFE, safe.rate())));
  }
}

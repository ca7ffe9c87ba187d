package dev.pgbelay.examples.demo.reconcile;

import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.table;

import dev.pgbelay.core.Tx;
import dev.pgbelay.examples.demo.DemoContext;
import dev.pgbelay.examples.demo.Study;
import dev.pgbelay.examples.demo.report.Comparison;
import dev.pgbelay.examples.demo.report.Damage;
import dev.pgbelay.examples.demo.report.Measure;
import dev.pgbelay.reconcile.Reference;
import dev.pgbelay.reconcile.guard.ParentGuard;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.jooq.impl.SQLDataType;

/** How late does an insert become whose parent others lock by its key? */
final class HotParent implements Study {
  private static final int CLIENTS = 8;
  private static final int HOLDERS = 2;
  private static final long HOLD_MILLIS = 50;
  private static final long WARM_UP = TimeUnit.MILLISECONDS.toNanos(700);
  private static final long NANOS = TimeUnit.SECONDS.toNanos(4);
  private static final long LATE_MILLIS = 40;
  private static final String TASK = "Inserts below a locked parent";

  private static final Reference REFERENCE =
      Reference.builder("demo-hot-parent")
          .child(table(name("shop", "hot_child")), field(name("parent"), SQLDataType.BIGINT))
          .parent(table(name("shop", "hot_parent")), field(name("id"), SQLDataType.BIGINT))
          .build();

  private record Run(List<Double> sortedMillis, long locks) {
    double p99() {
      return sortedMillis.get(Math.min(sortedMillis.size() - 1, sortedMillis.size() * 99 / 100));
    }

    double perSecond() {
      return sortedMillis.size() * 1e9 / NANOS;
    }

    long late() {
      return sortedMillis.stream().filter(each -> each > LATE_MILLIS).count();
    }
  }

  @Override
  public Findings run(DemoContext context) throws Exception {
    context.primary().execute(RulesSql.CREATE_HOT);
    Run naive = run(context, tx -> tx.dsl().execute(RulesSql.INSERT_WITH_KEY));
    context.progress().step(TASK, 1, 2);
    ParentGuard guard = ParentGuard.cached(REFERENCE, Duration.ofSeconds(30), 10_000);
    Run safe =
        run(
            context,
            tx -> {
              guard.check(tx, 1L);
              tx.dsl().execute(RulesSql.INSERT);
            });
    context.progress().step(TASK, 2, 2);
    return new Findings(List.of(comparison(naive, safe)), List.of());
  }

  private static Run run(DemoContext context, Consumer<Tx> insert) throws Exception {
    ExecutorService threads = Executors.newFixedThreadPool(CLIENTS + HOLDERS);
    try {
      long start = System.nanoTime() + WARM_UP;
      List<Future<Long>> holding = new ArrayList<>();
      for (int i = 0; i < HOLDERS; i++) {
        holding.add(threads.submit(() -> hold(context, start)));
      }
      List<Future<List<Double>>> inserting = new ArrayList<>();
      for (int i = 0; i < CLIENTS; i++) {
        inserting.add(threads.submit(() -> insert(context, insert, start)));
      }
      List<Double> all = new ArrayList<>();
      for (Future<List<Double>> each : inserting) {
        all.addAll(each.get());
      }
      long locks = 0;
      for (Future<Long> each : holding) {
        locks += each.get();
      }
      return new Run(all.stream().sorted().toList(), locks);
    } finally {
      threads.shutdownNow();
    }
  }

  /** One insert at least, however late it becomes. */
  private static List<Double> insert(DemoContext context, Consumer<Tx> insert, long start) {
    List<Double> millis = new ArrayList<>();
    while (millis.isEmpty() || System.nanoTime() < start + NANOS) {
      long began = System.nanoTime();
      context.transactions().execute(insert::accept);
      if (began >= start) {
        millis.add((System.nanoTime() - began) / 1e6);
      }
    }
    return millis;
  }

  private static long hold(DemoContext context, long start) throws Exception {
    long locks = 0;
    while (System.nanoTime() < start + NANOS) {
      context
          .transactions()
          .execute(
              tx -> {
                tx.dsl().fetch(RulesSql.LOCK);
                Thread.sleep(HOLD_MILLIS);
              });
      locks++;
    }
    return locks;
  }

  private static Comparison comparison(Run naive, Run safe) {
    return new Comparison(
        "hot-parent",
        String.format(
            Locale.ROOT,
            "p99 of inserts below one parent, %d clients; %d others lock it FOR UPDATE for %d ms",
            CLIENTS,
            HOLDERS,
            HOLD_MILLIS),
        String.format(
            Locale.ROOT,
            "foreign key: %,.0f inserts a second, %d locks",
            naive.perSecond(),
            naive.locks()),
        String.format(
            Locale.ROOT,
            "ParentGuard.cached: %,.0f inserts a second, %d locks",
            safe.perSecond(),
            safe.locks()),
        Measure.millis(naive.p99()),
        Measure.millis(safe.p99()),
        List.of(new Damage("inserts over " + LATE_MILLIS + " ms", naive.late(), safe.late())),
        "The key locks the parent FOR KEY SHARE, which waits for FOR UPDATE; and who wants FOR"
            + " UPDATE waits while inserts overlap.");
  }
}

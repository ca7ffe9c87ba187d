package dev.pgbelay.jobqueue;

import dev.pgbelay.core.FailureKind;
import dev.pgbelay.core.Failures;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.background.BackgroundLoop;
import dev.pgbelay.core.background.Pass;
import dev.pgbelay.jobqueue.Settlement.Fate;
import io.micrometer.core.instrument.MeterRegistry;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Writes what became of jobs, as many as there are at once: a statement for each fate. What could
 * not be written is kept and tried again.
 */
final class Settler implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(Settler.class);
  private static final TxOptions WRITE = TxOptions.forPath("jobqueue-settle");
  private static final int MOST = 2_000;
  private static final Set<FailureKind> OF_THE_DATA =
      EnumSet.of(
          FailureKind.INVALID_DATA,
          FailureKind.UNIQUE_VIOLATION,
          FailureKind.CONSTRAINT_VIOLATION,
          FailureKind.RESOURCES_EXHAUSTED,
          FailureKind.OTHER);

  private final Transactions transactions;
  private final SettleSql sql;
  private final String node;
  private final WorkMeters meters;
  private final BackgroundLoop loop;
  private final Queue<Settlement> waiting = new ConcurrentLinkedQueue<>();
  private final AtomicInteger pending = new AtomicInteger();

  /** A batch that was sent and may have been committed, or that failed. Used within passes only. */
  private List<Settlement> unsettled = List.of();

  private boolean perhapsCommitted;
  private boolean refused;

  Settler(
      String name,
      Transactions transactions,
      SettleSql sql,
      String node,
      WorkMeters meters,
      @Nullable MeterRegistry registry) {
    this.transactions = transactions;
    this.sql = sql;
    this.node = node;
    this.meters = meters;
    this.loop =
        BackgroundLoop.builder("jobs-" + name + "-settle", this::pass)
            .idlePause(Duration.ofMillis(500), Duration.ofSeconds(5))
            .failurePause(Duration.ofMillis(50), Duration.ofSeconds(5))
            .meterRegistry(registry)
            .build();
  }

  void start() {
    loop.start();
  }

  /** Never blocks and never fails. */
  void add(Settlement settlement) {
    waiting.add(settlement);
    if (pending.getAndIncrement() == 0) {
      loop.wakeUp();
    }
  }

  /** How many are not written yet. */
  int pending() {
    return pending.get();
  }

  private Pass pass() throws SQLException {
    if (unsettled.isEmpty()) {
      List<Settlement> batch = new ArrayList<>();
      while (batch.size() < MOST) {
        Settlement next = waiting.poll();
        if (next == null) {
          break;
        }
        batch.add(next);
      }
      unsettled = batch;
      perhapsCommitted = false;
      refused = false;
    }
    if (unsettled.isEmpty()) {
      return Pass.idle();
    }
    int before = unsettled.size();
    if (refused) {
      writeOneByOne();
    } else {
      try {
        write(unsettled);
      } catch (RuntimeException | SQLException e) {
        failed(e);
        throw e;
      }
      unsettled = List.of();
      pending.addAndGet(-before);
    }
    return Pass.worked(before);
  }

  /** One that the database refuses must not hold up the others for ever. */
  private void writeOneByOne() throws SQLException {
    while (!unsettled.isEmpty()) {
      Settlement one = unsettled.get(0);
      List<Settlement> others = new ArrayList<>(unsettled.subList(1, unsettled.size()));
      try {
        write(List.of(one));
      } catch (RuntimeException | SQLException e) {
        others.add(one);
        unsettled = others;
        failed(e);
        throw e;
      }
      unsettled = others;
      pending.decrementAndGet();
    }
  }

  private void failed(Exception e) {
    FailureKind kind = Failures.classify(e);
    perhapsCommitted |= kind == FailureKind.OUTCOME_UNKNOWN;
    refused |= OF_THE_DATA.contains(kind);
  }

  private record Group(UUID claimant, Fate fate, boolean keyed) {}

  /** For the meters and the slots, which are told of a batch at once. */
  private record Told(Settlement.Slots slots, String kind, Fate fate) {}

  private void write(List<Settlement> batch) throws SQLException {
    Map<Group, List<Settlement>> groups = new LinkedHashMap<>();
    for (Settlement one : batch) {
      groups
          .computeIfAbsent(
              new Group(one.fence().claimant(), one.fate(), one.keyed()),
              group -> new ArrayList<>())
          .add(one);
    }
    Map<Long, Boolean> notFound =
        transactions.run(
            WRITE,
            tx -> {
              Map<Long, Boolean> all = new HashMap<>();
              for (Map.Entry<Group, List<Settlement>> group : groups.entrySet()) {
                all.putAll(
                    sql.settle(
                        tx.connection(),
                        group.getKey().fate(),
                        group.getKey().claimant(),
                        node,
                        group.getValue()));
              }
              return all;
            });
    Map<Told, Integer> told = new HashMap<>();
    Map<Settlement.Slots, Integer> free = new HashMap<>();
    for (Settlement one : batch) {
      @Nullable Boolean exists = notFound.get(one.id());
      if (exists == null) {
        told.merge(new Told(one.slots(), one.job().kind(), one.fate()), 1, Integer::sum);
        meters.ended(one.job(), one.fate(), one.reason());
      } else if (!exists && one.perhapsDone()) {
        told.merge(new Told(one.slots(), one.job().kind(), Fate.DONE), 1, Integer::sum);
        meters.ended(one.job(), Fate.DONE, null);
      } else if (perhapsCommitted) {
        LOG.debug("job {} was settled by a statement whose answer was lost", one.id());
      } else {
        meters.stale();
        meters.refused(one.job(), one.fate());
        LOG.warn(
            "job {}: '{}' was not written, the job is not this worker's any more",
            one.id(),
            one.fate().tag());
      }
      free.merge(one.slots(), 1, Integer::sum);
    }
    told.forEach(
        (what, jobs) -> meters.settled(what.slots().queue(), what.kind(), what.fate(), jobs));
    free.forEach(Settlement.Slots::settled);
    batch.stream()
        .filter(Settlement::keyed)
        .map(Settlement::slots)
        .distinct()
        .forEach(Settlement.Slots::handedOn);
  }

  /** Writes what there is on the calling thread, until nothing is left or the time is over. */
  void drain(long untilNanos) {
    while (pending.get() > 0 && untilNanos - System.nanoTime() > 0) {
      try {
        loop.runOnce();
      } catch (Exception e) {
        LOG.debug("what became of {} jobs could not be written yet", pending.get(), e);
        try {
          Thread.sleep(20);
        } catch (InterruptedException stop) {
          Thread.currentThread().interrupt();
          return;
        }
      }
    }
  }

  @Override
  public void close() {
    loop.close();
  }
}

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
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
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
  private static final Duration RETRY_REFUSED = Duration.ofSeconds(5);

  /** Where more is refused it is not for the jobs: everything waits, and nothing more is begun. */
  private static final int MOST_REFUSED = 100;

  /** What may be wrong with one job, and not with the database. */
  static final Set<FailureKind> OF_THE_DATA =
      EnumSet.of(
          FailureKind.INVALID_DATA,
          FailureKind.UNIQUE_VIOLATION,
          FailureKind.FOREIGN_KEY_VIOLATION,
          FailureKind.CONSTRAINT_VIOLATION,
          FailureKind.INVALID_STATEMENT,
          FailureKind.NOT_PERMITTED,
          FailureKind.RESOURCES_EXHAUSTED,
          FailureKind.OTHER);

  private final Transactions transactions;
  private final SettleSql sql;
  private final String node;
  private final WorkMeters meters;
  private final BackgroundLoop loop;
  private final Queue<Settlement> waiting = new ConcurrentLinkedQueue<>();
  private final AtomicInteger pending = new AtomicInteger();
  private final AtomicInteger refused = new AtomicInteger();

  /** A batch that was sent and may have been committed, or that failed. Used within passes only. */
  private List<Settlement> unsettled = List.of();

  private boolean perhapsCommitted;

  /** What the database refuses, in the order of the next try. Used within passes only. */
  private final Deque<PutAside> aside = new ArrayDeque<>();

  /** Its place among the threads is free already. */
  private record PutAside(Settlement settlement, boolean perhapsCommitted, long tryAt) {}

  private record Freed(String queue) implements Settlement.Slots {
    @Override
    public void settled(int jobs) {}
  }

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
    return pending.get() + refused.get();
  }

  private Pass pass() throws SQLException {
    if (unsettled.isEmpty()) {
      perhapsCommitted = false;
      unsettled = next();
    }
    if (unsettled.isEmpty()) {
      return aside.isEmpty() ? Pass.idle() : Pass.idle(RETRY_REFUSED);
    }
    int before = unsettled.size();
    writeInParts();
    return Pass.worked(before);
  }

  private List<Settlement> next() {
    PutAside first = aside.peek();
    if (first != null && System.nanoTime() - first.tryAt() >= 0) {
      aside.remove();
      perhapsCommitted = first.perhapsCommitted();
      pending.incrementAndGet();
      refused.decrementAndGet();
      return List.of(first.settlement());
    }
    List<Settlement> batch = new ArrayList<>();
    while (batch.size() < MOST) {
      Settlement next = waiting.poll();
      if (next == null) {
        break;
      }
      batch.add(next);
    }
    return batch;
  }

  /** One that the database refuses is found by halves, and must not hold up the others. */
  private void writeInParts() throws SQLException {
    Deque<List<Settlement>> parts = new ArrayDeque<>();
    parts.push(unsettled);
    while (!parts.isEmpty()) {
      List<Settlement> part = parts.pop();
      try {
        write(part);
        pending.addAndGet(-part.size());
      } catch (RuntimeException | SQLException e) {
        FailureKind kind = Failures.classify(e);
        perhapsCommitted |= kind == FailureKind.OUTCOME_UNKNOWN;
        if (!OF_THE_DATA.contains(kind) || refused.get() >= MOST_REFUSED) {
          parts.push(part);
          unsettled = parts.stream().flatMap(List::stream).toList();
          throw e;
        }
        if (part.size() == 1) {
          putAside(part.get(0), e);
        } else {
          int half = part.size() / 2;
          parts.push(part.subList(half, part.size()));
          parts.push(part.subList(0, half));
        }
      }
    }
    unsettled = List.of();
  }

  private void putAside(Settlement one, Exception e) {
    LOG.error(
        "job {}: '{}' is refused by the database (SQLSTATE {}); next try in {}",
        one.id(),
        one.fate().tag(),
        Failures.sqlState(e).orElse("none"),
        RETRY_REFUSED);
    LOG.debug("job {} was not settled", one.id(), e);
    one.slots().settled(1);
    pending.decrementAndGet();
    refused.incrementAndGet();
    aside.add(
        new PutAside(
            one.of(new Freed(one.slots().queue())),
            perhapsCommitted,
            System.nanoTime() + RETRY_REFUSED.toNanos()));
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

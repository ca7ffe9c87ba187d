package dev.pgbelay.reconcile.migrate;

import dev.pgbelay.core.TransactionException;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.internal.OptionRange;
import dev.pgbelay.reconcile.guard.MissingParentsException;
import dev.pgbelay.reconcile.guard.ParentGuard;
import dev.pgbelay.reconcile.internal.Given;
import io.micrometer.core.instrument.MeterRegistry;
import java.util.Arrays;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.LongAdder;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * A guard that refuses nothing and counts what it would have refused, while the foreign key is
 * still there to say who is right: a transaction that the guard would have refused and that commits
 * all the same was refused wrongly. That happens where children are written before their parents,
 * under a deferred key.
 *
 * <p>It asks what the guard asks, at the same price, and under {@link ParentGuard#locked} it locks
 * as well. What the key refuses although the guard let it pass is the application's SQLSTATE 23503.
 * Thread-safe; counts are of this process.
 */
public final class ShadowGuard {
  private static final int SAMPLES = 10;

  private final ParentGuard guard;
  private final LongAdder checks = new LongAdder();
  private final LongAdder refused = new LongAdder();
  private final LongAdder committed = new LongAdder();
  private final LongAdder unknown = new LongAdder();
  private final Queue<String> samples = new ConcurrentLinkedQueue<>();

  private volatile @Nullable ShadowMeters meters;

  private ShadowGuard(ParentGuard guard) {
    this.guard = guard;
  }

  /**
   * Asks as this guard would.
   *
   * @param guard whose own counts of refused keys are of those that it would have refused
   */
  public static ShadowGuard over(ParentGuard guard) {
    return new ShadowGuard(Given.required("shadow: the guard", guard));
  }

  /**
   * Counts what is measured from now on, so that it can be added up over all processes.
   *
   * @return this guard
   */
  public ShadowGuard meterRegistry(MeterRegistry registry) {
    meters =
        new ShadowMeters(
            Given.required("shadow: meterRegistry", registry), guard.reference().name());
    return this;
  }

  /**
   * What was seen.
   *
   * @param checks calls
   * @param refused calls that the guard would have refused
   * @param committed of these, those whose transaction committed: refused wrongly
   * @param unknown of these, those in joined transactions whose owner tells nobody of its commit
   * @param samples up to ten of the messages; they hold values of keys
   */
  public record Measured(
      long checks, long refused, long committed, long unknown, List<String> samples) {
    public Measured {
      samples = Given.all("measured: samples", samples);
      OptionRange.require("measured: checks", checks, 0L, Long.MAX_VALUE);
      OptionRange.require("measured: refused", refused, 0L, Long.MAX_VALUE);
      OptionRange.require("measured: committed", committed, 0L, Long.MAX_VALUE);
      OptionRange.require("measured: unknown", unknown, 0L, Long.MAX_VALUE);
    }

    /** Of two processes. */
    public Measured plus(Measured other) {
      Given.required("measured elsewhere", other);
      return new Measured(
          checks + other.checks,
          refused + other.refused,
          committed + other.committed,
          unknown + other.unknown,
          Stream.concat(samples.stream(), other.samples.stream()).limit(SAMPLES).toList());
    }
  }

  /** As {@link ParentGuard#check}, without refusing. */
  public void check(Tx tx, @Nullable Object... key) {
    checkAll(tx, List.of(Arrays.asList(key)));
  }

  /** As {@link ParentGuard#checkAll}, without refusing. */
  public void checkAll(Tx tx, List<? extends List<? extends @Nullable Object>> keys) {
    ShadowMeters counting = meters;
    checks.increment();
    if (counting != null) {
      counting.checked();
    }
    try {
      guard.checkAll(tx, keys);
    } catch (MissingParentsException e) {
      refused.increment();
      if (counting != null) {
        counting.refused();
      }
      if (samples.size() < SAMPLES) {
        samples.add(String.valueOf(e.getMessage()));
      }
      onCommit(tx, counting);
    }
  }

  private void onCommit(Tx tx, @Nullable ShadowMeters counting) {
    try {
      tx.afterCommit(
          commit -> {
            committed.increment();
            if (counting != null) {
              counting.committed();
            }
          });
    } catch (TransactionException e) {
      unknown.increment();
      if (counting != null) {
        counting.unknown();
      }
    }
  }

  /** What was seen so far, in this process. */
  public Measured measured() {
    return new Measured(
        checks.sum(),
        refused.sum(),
        committed.sum(),
        unknown.sum(),
        samples.stream().limit(SAMPLES).toList());
  }
}

package dev.pgbelay.lock.hotrow;

import dev.pgbelay.core.FailureKind;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.TransactionException;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.internal.OptionRange;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.lock.hotrow.Decrement.Outcome;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.MeterRegistry;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalLong;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicInteger;
import org.jooq.DSLContext;
import org.jooq.exception.DataAccessException;
import org.jspecify.annotations.Nullable;

/**
 * Counters that many transactions change at once. A counter in one row makes them queue up, each
 * until the one before has committed; here a counter is spread over several rows, a transaction
 * changes one of them, and the value is their sum.
 *
 * <p>The sum is exact: it is what was committed when the statement began, and what this transaction
 * did itself. A decrement takes all or nothing and never goes below zero, which the table checks as
 * well. Counters are rows of the table {@code slotted_counter} (module {@code hotrow} of {@link
 * SchemaInstaller}), any number of them by name.
 *
 * <p>Changes belong to the caller's transaction and hold a row lock to its end. Within one
 * transaction change each counter once, and several with {@link #increment(Tx, Map)}, which goes by
 * name: {@link #decrement} can have to lock all rows of a counter, and would wait for others who
 * already hold one and do the same. Safe for several threads, which are given slots in turn: keep
 * one.
 */
public final class SlottedCounter {
  private static final String LOCK_NOT_AVAILABLE = "55P03";
  private static final int MOST_SLOTS = 1_000;

  private final CounterSql sql;
  private final int slots;
  private final @Nullable MeterRegistry registry;
  private final AtomicInteger nextSlot =
      new AtomicInteger(ThreadLocalRandom.current().nextInt(1 << 20));
  private final ThreadLocal<Integer> slot =
      ThreadLocal.withInitial(() -> nextSlot.getAndIncrement() & Integer.MAX_VALUE);

  private SlottedCounter(Builder builder) {
    this.sql = new CounterSql(builder.schema);
    this.slots = builder.slots;
    this.registry = builder.registry;
  }

  public static Builder builder() {
    return new Builder();
  }

  /**
   * Makes the counter with value 0, or gives it more slots if it has fewer; otherwise changes
   * nothing. One statement.
   */
  public void create(DSLContext dsl, String name) {
    requireName(name);
    sql.createSlots(dsl, name, slots);
  }

  /** Deletes the counter; one that does not exist is no error. One statement. */
  public void delete(DSLContext dsl, String name) {
    requireName(name);
    sql.delete(dsl, name);
  }

  /**
   * The exact sum. One statement.
   *
   * @throws PgBelayException if there is no such counter
   */
  public long sum(DSLContext dsl, String name) {
    requireName(name);
    return sql.sum(dsl, name).orElseThrow(() -> unknown(name));
  }

  /**
   * Adds {@code amount}. One statement; waits only where another transaction is at the same slot.
   *
   * @param amount 1 or more
   * @throws PgBelayException if there is no such counter
   */
  public void increment(Tx tx, String name, long amount) {
    increment(tx.dsl(), name, amount);
  }

  /**
   * The same for a count that belongs to no other change: under autocommit a transaction of its
   * own, in one round trip. If the connection is lost meanwhile, nothing tells whether it was
   * counted.
   *
   * @param dsl under autocommit, or of the transaction that this belongs to
   * @throws PgBelayException if there is no such counter
   */
  public void increment(DSLContext dsl, String name, long amount) {
    requireName(name);
    requireAmount(name, amount);
    int own = ownSlot();
    if (sql.add(dsl, name, own, amount) == 0) {
      throw unknown(name);
    }
    count("increment", "done", "one_slot");
  }

  /** {@link #increment(Tx, String, long)} for each entry, in the order of the names. */
  public void increment(Tx tx, Map<String, Long> amounts) {
    SortedMap<String, Long> sorted = new TreeMap<>(amounts);
    sorted.forEach((name, amount) -> increment(tx, name, amount));
  }

  /**
   * Takes {@code amount} if the counter has as much, and otherwise nothing. One statement as long
   * as one slot has enough; else the rows are locked together, in their order, and evened out.
   *
   * @param amount 1 or more
   * @throws PgBelayException if there is no such counter
   * @throws TransactionException of kind {@code SERIALIZATION_FAILURE} if others were quicker, and
   *     waiting for them could be waiting in a circle; {@link dev.pgbelay.core.Transactions} runs
   *     the transaction again
   */
  public Decrement decrement(Tx tx, String name, long amount) {
    requireName(name);
    requireAmount(name, amount);
    DSLContext dsl = tx.dsl();
    OptionalLong one = sql.takeFromOne(dsl, name, ownSlot(), amount);
    if (one.isPresent() && one.getAsLong() >= amount) {
      count("decrement", "taken", "one_slot");
      return new Decrement(Outcome.TAKEN, amount, 0);
    }
    // Without locks first: who is refused then holds nobody up.
    long available = sum(dsl, name);
    if (available >= amount) {
      SortedMap<Short, Long> values = lockAll(dsl, name, one.isEmpty());
      available = values.values().stream().mapToLong(Long::longValue).sum();
      if (available >= amount) {
        sql.spread(dsl, name, values.keySet(), available - amount);
        count("decrement", "taken", "all_slots");
        return new Decrement(Outcome.TAKEN, amount, 0);
      }
    }
    count("decrement", "short", "all_slots");
    return new Decrement(Outcome.SHORT, 0, available);
  }

  /**
   * @param waiting false with one slot locked already, out of the order: who waits then may wait in
   *     a circle
   */
  private SortedMap<Short, Long> lockAll(DSLContext dsl, String name, boolean waiting) {
    try {
      return sql.lockAll(dsl, name, waiting);
    } catch (DataAccessException e) {
      if (!waiting && LOCK_NOT_AVAILABLE.equals(e.sqlState())) {
        throw new TransactionException(
            FailureKind.SERIALIZATION_FAILURE,
            "counter '"
                + name
                + "': others were quicker at the slot that this decrement had chosen, and are at"
                + " other slots; run the transaction again",
            e);
      }
      throw e;
    }
  }

  private int ownSlot() {
    return slot.get() % slots;
  }

  private void count(String operation, String outcome, String path) {
    if (registry != null) {
      Counter.builder("pgbelay.lock.counter.changes")
          .description("Changes of slotted counters")
          .tag("operation", operation)
          .tag("outcome", outcome)
          .tag("path", path)
          .register(registry)
          .increment();
    }
  }

  private PgBelayException unknown(String name) {
    return new PgBelayException(
        String.format(
            Locale.ROOT,
            "counter '%s' does not exist with %d slots: call create(dsl, \"%s\") before the first"
                + " change",
            name,
            slots,
            name));
  }

  private static void requireName(String name) {
    if (name.isBlank()) {
      throw new PgBelayException("the counter's name is blank");
    }
  }

  private static void requireAmount(String name, long amount) {
    if (amount < 1) {
      throw new PgBelayException(
          "amount for counter '" + name + "' must be 1 or more, is " + amount);
    }
  }

  /** Not safe for several threads. */
  public static final class Builder {
    private String schema = SchemaInstaller.DEFAULT_SCHEMA;
    private int slots = 32;
    private @Nullable MeterRegistry registry;

    private Builder() {}

    /** Where {@link SchemaInstaller} put the table; {@code pgbelay} unless said. */
    public Builder schema(String name) {
      this.schema = name;
      return this;
    }

    /**
     * How many rows a counter has: about twice as many as there are transactions that change it at
     * the same time. 32 unless said.
     *
     * @param count 1 to 1,000
     */
    public Builder slots(int count) {
      OptionRange.require("slots", count, 1, MOST_SLOTS);
      this.slots = count;
      return this;
    }

    /** Where the metrics of the guide go; none are kept otherwise. */
    public Builder meterRegistry(MeterRegistry metrics) {
      this.registry = metrics;
      return this;
    }

    public SlottedCounter build() {
      return new SlottedCounter(this);
    }
  }
}

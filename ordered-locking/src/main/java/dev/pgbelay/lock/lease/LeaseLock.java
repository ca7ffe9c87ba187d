package dev.pgbelay.lock.lease;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.internal.Claimant;
import dev.pgbelay.core.internal.OptionName;
import dev.pgbelay.core.internal.OptionRange;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.lock.lease.LeaseGrants.Grant;
import io.micrometer.core.instrument.MeterRegistry;
import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;

/**
 * Leases on names: at most one holder at a time, for work that is longer than a transaction.
 *
 * <p><b>Guarantee.</b> A name is granted to nobody while its lease lasts, by the database's clock,
 * nor while a transaction is open that has {@linkplain Lease#guard guarded} it. So writes in
 * guarded transactions of two holders never mix, however long one of them was stopped, and whatever
 * the clocks of the machines say. Work that does not guard its writes can overlap with a
 * successor's.
 *
 * <p>Leases are kept alive on the connections given for that, one at a time, never on those of the
 * work. Acquire and release are two round trips each, in transactions of their own. Needs the table
 * of module {@code lock} (see {@link SchemaInstaller}). No session state: works behind PgBouncer in
 * transaction mode. Safe for several threads; close it to end the keep-alive.
 */
public final class LeaseLock implements AutoCloseable {
  private static final int LONGEST_NAME = 500;
  private static final Duration FOR_EVER = Duration.ofDays(36_500);
  private static final TxOptions READ =
      TxOptions.builder().path("lock-lease-read").readOnly(true).build();
  static final TxOptions WRITE = TxOptions.forPath("lock-lease");

  private final Transactions transactions;
  private final LeaseOperatorSql operator;
  private final LeaseGrants grants;
  private final Duration patience;
  private final String holder;
  private final Claimant claimant = Claimant.random();
  private final KeptLeases kept;
  private final HeldLeases held;
  private volatile boolean closed;

  private LeaseLock(Builder builder) {
    this.transactions = builder.transactions;
    LeaseSql sql = new LeaseSql(builder.schema);
    this.operator = new LeaseOperatorSql(builder.schema);
    this.patience = builder.patience;
    this.holder = builder.holder;
    this.kept = new KeptLeases(builder, sql);
    this.held = new HeldLeases(transactions, sql, kept, builder.duration, patience);
    this.grants =
        new LeaseGrants(
            transactions, sql, kept.meters(), builder.duration, patience, builder.poll, holder);
  }

  /**
   * Begins the definition.
   *
   * @param keepAlive a small {@code DataSource} of its own, of one or two connections, with a
   *     {@code socketTimeout} shorter than the lease
   */
  public static Builder builder(Transactions transactions, DataSource keepAlive) {
    return new Builder(transactions, keepAlive);
  }

  /**
   * Asks once.
   *
   * @return empty if somebody else has it
   */
  public Optional<Lease> tryAcquire(String name) {
    requireUsable(name);
    Grant grant = grants.ask(name, claimant.next());
    return grant.token().isPresent() ? Optional.of(begin(name, grant)) : Optional.empty();
  }

  /**
   * Asks again and again, as long as {@code wait}, without holding a connection in between.
   *
   * @throws LeaseHeldException if somebody else still has it then
   * @throws InterruptedException if the thread is interrupted while it waits
   */
  public Lease acquire(String name, Duration wait) throws InterruptedException {
    requireUsable(name);
    Duration bounded = wait.compareTo(FOR_EVER) > 0 ? FOR_EVER : wait;
    long end = System.nanoTime() + (bounded.isNegative() ? 0 : bounded.toNanos());
    while (true) {
      requireOpen();
      Grant grant = grants.ask(name, claimant.next());
      if (grant.token().isPresent()) {
        return begin(name, grant);
      }
      long left = end - System.nanoTime();
      if (left <= 0) {
        throw new LeaseHeldException(name, grant.holder(), wait);
      }
      TimeUnit.NANOSECONDS.sleep(Math.min(left, grants.pause(grant)));
    }
  }

  private Lease begin(String name, Grant grant) {
    Lease lease = new Lease(held, name, grant.fence(), grant.token().orElseThrow());
    try {
      requireOpen();
      kept.add(lease, grant.fence(), grant.asked());
      requireOpen(); // its keep-alive may have been ended before that
      return lease;
    } catch (RuntimeException | Error e) {
      lease.release();
      throw e;
    }
  }

  /** All names that were ever leased, in their order. */
  public List<LeaseInfo> list() {
    return LeaseSql.asked(() -> transactions.run(READ, tx -> operator.list(tx.dsl())));
  }

  /** Empty if the name was never leased. */
  public Optional<LeaseInfo> find(String name) {
    return LeaseSql.asked(() -> transactions.run(READ, tx -> operator.find(tx.dsl(), name)));
  }

  /** How a forced release went. */
  public enum ForceOutcome {
    /** Its holder has lost it, and finds out at its next guard or renewal. */
    RELEASED,
    /** Nobody had it. */
    NOT_HELD,
    /** A guarded transaction is open; it ends with its commit, or after the lease's duration. */
    GUARDED
  }

  /**
   * Takes a lease away from whoever holds it, for operators. What the holder does in guarded
   * transactions stops; what it does otherwise goes on, so see to it first.
   */
  public ForceOutcome forceRelease(String name) {
    try {
      boolean released =
          transactions.run(WRITE, tx -> operator.forceRelease(tx.dsl(), name, patience));
      return released ? ForceOutcome.RELEASED : ForceOutcome.NOT_HELD;
    } catch (RuntimeException e) {
      if (LeaseGrants.isLockTimeout(e)) {
        return ForceOutcome.GUARDED;
      }
      throw LeaseSql.explained(e);
    }
  }

  private void requireOpen() {
    if (closed) {
      throw new PgBelayException("the leases '" + holder + "' are closed; build others");
    }
  }

  private void requireUsable(String name) {
    requireOpen();
    if (name.isEmpty() || name.length() > LONGEST_NAME || name.indexOf('\0') >= 0) {
      throw new PgBelayException(
          "the name of a lease must have 1 to 500 characters, none of them NUL; it has "
              + name.length());
    }
  }

  /** Ends the keep-alive. Leases that are held are not given back; they end by themselves. */
  @Override
  public void close() {
    closed = true;
    kept.close();
  }

  /** Not safe for several threads. */
  public static final class Builder {
    private final Transactions transactions;
    final DataSource keepAlive;
    String name = "default";
    private String schema = SchemaInstaller.DEFAULT_SCHEMA;
    Duration duration = Duration.ofSeconds(30);
    private Duration patience = Duration.ofSeconds(5);
    private Duration poll = Duration.ofMillis(250);
    private String holder = ManagementFactory.getRuntimeMXBean().getName();
    @Nullable MeterRegistry registry;
    @Nullable Consumer<? super Lease> onLost;

    private Builder(Transactions transactions, DataSource keepAlive) {
      this.transactions = transactions;
      this.keepAlive = keepAlive;
    }

    /** Of the keep-alive's thread, and the tag {@code leases} of the metrics. */
    public Builder name(String tag) {
      this.name = OptionName.require(tag, 51);
      return this;
    }

    /** The schema of the table; {@value SchemaInstaller#DEFAULT_SCHEMA} unless said. */
    public Builder schema(String tableSchema) {
      this.schema = tableSchema;
      return this;
    }

    /**
     * How long a holder may not be heard of before somebody else may have its lease: 300 ms to 1
     * hour, 30 seconds unless said. Renewed about three times in that time. The holder's counts,
     * not that of who asks.
     */
    public Builder duration(Duration lease) {
      OptionRange.require("duration", lease, Duration.ofMillis(300), Duration.ofHours(1));
      this.duration = lease;
      return this;
    }

    /** How long a release waits for guarded transactions: 10 ms to 1 minute, 5 s unless said. */
    public Builder patience(Duration time) {
      OptionRange.require("patience", time, Duration.ofMillis(10), Duration.ofMinutes(1));
      this.patience = time;
      return this;
    }

    /** Between two questions of one that waits: 10 ms to 1 minute, 250 ms unless said. */
    public Builder pollInterval(Duration interval) {
      OptionRange.require("pollInterval", interval, Duration.ofMillis(10), Duration.ofMinutes(1));
      this.poll = interval;
      return this;
    }

    /** What this process calls itself for those who look; process id and host unless said. */
    public Builder holder(String label) {
      this.holder = label;
      return this;
    }

    /**
     * Told once for each lease that was lost, on a thread of its own. A hint to stop the work
     * early; what may be written is decided by guards and tokens.
     */
    public Builder onLost(Consumer<? super Lease> listener) {
      this.onLost = listener;
      return this;
    }

    /** Where the metrics of the guide go; none are kept otherwise. */
    public Builder meterRegistry(MeterRegistry metrics) {
      this.registry = metrics;
      return this;
    }

    /**
     * Sends nothing yet.
     *
     * @throws PgBelayException if the keep-alive would take its connections from the transactions'
     *     own {@code DataSource}
     */
    public LeaseLock build() {
      if (transactions.isOn(keepAlive)) {
        throw new PgBelayException(
            "keepAlive of the leases '"
                + name
                + "' is the DataSource of the work itself, which can exhaust it and lose its"
                + " leases; give it one of its own, of one or two connections");
      }
      return new LeaseLock(this);
    }
  }
}

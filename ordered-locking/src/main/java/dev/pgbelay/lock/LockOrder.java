package dev.pgbelay.lock;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.internal.OptionName;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.lock.LockRefusedException.Reason;
import io.micrometer.core.instrument.MeterRegistry;
import java.time.Duration;
import java.util.Arrays;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import javax.sql.DataSource;
import org.jooq.impl.DSL;
import org.jspecify.annotations.Nullable;

/**
 * The one order in which a code base locks: classes of rows and of names, each with a rank.
 *
 * <p><b>Guarantee.</b> {@link #acquire} locks by rank, and within a class in the order in which
 * PostgreSQL sorts the keys, whatever the order they are given in and whatever the plan. A second
 * acquire in the same transaction that would go down the order, or make a lock stronger, is refused
 * before anything of it is locked. So transactions that lock through the same order, and change
 * only what they have locked in a mode that covers the change ({@link LockMode#NO_KEY_UPDATE} or
 * {@link LockMode#UPDATE}), never wait for each other in a circle. What locks by itself is not
 * covered: plain {@code UPDATE}s, cascades, triggers, foreign keys, unique indexes (see the guide).
 *
 * <p>Works in the caller's transaction, and leaves no setting behind in it but one of its own
 * ({@code pgbelay.lock_epoch}). Locks end with the transaction or with a rollback to a savepoint
 * before them, which the order notices. Blocks the calling thread for at most the given wait per
 * lock: one round trip per class, one more the first time that a class is locked in and when rows
 * are missing, and one more for each {@link Tx#join}. Needs the tables of module {@code lock} for
 * names only (see {@link SchemaInstaller}). Works behind PgBouncer in transaction mode. Immutable
 * and safe for several threads.
 */
public final class LockOrder implements AutoCloseable {
  private final Map<LockClass, Integer> ranks;
  private final LockOptions options;
  private final LockCatalog catalog;
  private final LockMeters meters;
  private final @Nullable HolderSampler sampler;

  private LockOrder(Builder builder) {
    this.ranks = Map.copyOf(builder.ranks);
    this.options = builder.options;
    this.catalog = new LockCatalog(builder.schema);
    this.meters =
        builder.registry == null
            ? LockMeters.NONE
            : new LockMeters.OfMicrometer(builder.registry, builder.name);
    this.sampler =
        builder.monitor == null ? null : new HolderSampler(builder.monitor, builder.name);
  }

  public static Builder builder() {
    return new Builder();
  }

  /** {@link #acquire(Tx, LockOptions, Collection)} with the order's own options. */
  public Acquired acquire(Tx tx, Resource... resources) {
    return acquire(tx, options, Arrays.asList(resources));
  }

  /** {@link #acquire(Tx, LockOptions, Collection)} with the order's own options. */
  public Acquired acquire(Tx tx, Collection<Resource> resources) {
    return acquire(tx, options, resources);
  }

  /**
   * Locks all of it, until the transaction ends. What is asked for twice is locked once; what this
   * transaction holds already, in a mode that is no weaker, is held. Rows of one class that are
   * asked for in several modes are all locked in the strongest of them.
   *
   * <p>Let a failure end the transaction, and let {@link Transactions} run the whole of it again
   * where its kind is to be retried. Not for use by several threads on one {@code tx}.
   *
   * @throws LockRefusedException if the request breaks the order or a rule; nothing was locked
   * @throws LockNotAvailableException if a lock was not to be had; some others may be held
   * @throws MissingRowsException if rows do not exist and {@link LockOptions.Missing#ERROR} holds
   * @throws dev.pgbelay.core.TransactionException of kind {@code SERIALIZATION_FAILURE} if a key
   *     went to another row while it was waited for; a new transaction sees it
   */
  public Acquired acquire(Tx tx, LockOptions how, Collection<Resource> resources) {
    try {
      return new Acquisition(this, tx, how, resources).run();
    } catch (LockRefusedException e) {
      meters.refused(e.reason());
      throw e;
    }
  }

  /**
   * Forgets names that were first locked longer ago than {@code age}, so that their table does not
   * grow for ever. A forgotten name is kept again when it is locked the next time. For a
   * transaction of its own: an acquire of a name that is being forgotten waits for its end.
   *
   * @return how many
   */
  public int forgetNames(Tx tx, Duration age) {
    return tx.dsl()
        .query(LockSql.forgetNames(catalog.nameTable()), DSL.val(age.toMillis()))
        .execute();
  }

  /** Stops the thread of the monitor, if there is one. Acquires work on, without naming holders. */
  @Override
  public void close() {
    if (sampler != null) {
      sampler.close();
    }
  }

  int rank(LockClass lockClass) {
    Integer rank = ranks.get(lockClass);
    if (rank == null || isImpostor(lockClass)) {
      throw new LockRefusedException(
          Reason.UNKNOWN_CLASS,
          "class '"
              + lockClass.name()
              + "' has no rank in this order, which has "
              + ranks.keySet().stream().map(LockClass::name).sorted().toList()
              + "; add it where the order is declared");
    }
    return rank;
  }

  /** Of the name of a ranked class, and something else. */
  private boolean isImpostor(LockClass lockClass) {
    for (LockClass ranked : ranks.keySet()) {
      if (ranked.equals(lockClass)) {
        return !ranked.isOfSame(lockClass);
      }
    }
    return true;
  }

  LockMeters meters() {
    return meters;
  }

  @Nullable HolderSampler sampler() {
    return sampler;
  }

  LockCatalog catalog() {
    return catalog;
  }

  /** Declares an order. Not safe for several threads. */
  public static final class Builder {
    private final Map<LockClass, Integer> ranks = new LinkedHashMap<>();
    private String name = "default";
    private LockOptions options = LockOptions.defaults();
    private String schema = SchemaInstaller.DEFAULT_SCHEMA;
    private @Nullable MeterRegistry registry;
    private @Nullable DataSource monitor;

    private Builder() {}

    /** The tag {@code order} of the metrics, where a process has several. */
    public Builder name(String tag) {
      this.name = OptionName.require(tag, 63);
      return this;
    }

    /**
     * Gives a class its rank; lower ones are locked first. Leave gaps for those to come.
     *
     * @throws LockRefusedException if the rank, the name, the table or the number of the name's
     *     class is taken
     */
    public Builder rank(int rank, LockClass lockClass) {
      ranks.forEach(
          (other, taken) -> {
            if (taken == rank) {
              throw new LockRefusedException(
                  Reason.DUPLICATE_RANK,
                  "class '%s' has rank %d, and so has '%s'; give each its own"
                      .formatted(lockClass.name(), rank, other.name()));
            }
            requireApart(lockClass, other);
          });
      ranks.put(lockClass, rank);
      return this;
    }

    private static void requireApart(LockClass one, LockClass other) {
      String clash = null;
      if (one.equals(other)) {
        clash = "has a rank already";
      } else if (one.isOfNames() && other.isOfNames()) {
        clash =
            LockName.number(one.name()) == LockName.number(other.name())
                ? "falls on the same number as class '" + other.name() + "'; rename one"
                : null;
      } else if (!one.isOfNames()
          && !other.isOfNames()
          && one.table().getQualifiedName().equals(other.table().getQualifiedName())) {
        clash = "is of the same table as class '" + other.name() + "'; lock it by one key";
      }
      if (clash != null) {
        throw new LockRefusedException(
            Reason.DUPLICATE_CLASS, "class '" + one.name() + "' " + clash);
      }
    }

    /** For acquires that do not say otherwise; {@link LockOptions#defaults()} unless said. */
    public Builder options(LockOptions defaults) {
      this.options = defaults;
      return this;
    }

    /** The schema of the table of names; {@value SchemaInstaller#DEFAULT_SCHEMA} unless said. */
    public Builder schema(String tableSchema) {
      this.schema = tableSchema;
      return this;
    }

    /** Where the metrics of the guide go; none are kept otherwise. */
    public Builder meterRegistry(MeterRegistry metrics) {
      this.registry = metrics;
      return this;
    }

    /**
     * Connections to look at who holds a lock while it is waited for, so that {@link
     * LockNotAvailableException} can say it: one at a time, and only for waits that are about to
     * time out. Not the pool that the transactions use, which may be empty just then. Starts a
     * thread when it is first needed; close the order to end it.
     */
    public Builder monitor(DataSource connections) {
      this.monitor = Objects.requireNonNull(connections);
      return this;
    }

    public LockOrder build() {
      return new LockOrder(this);
    }
  }
}

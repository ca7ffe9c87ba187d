package dev.pgbelay.reconcile.propagate;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.background.BackgroundLoop;
import dev.pgbelay.core.background.Pass;
import dev.pgbelay.core.internal.OptionRange;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.reconcile.Declarations;
import dev.pgbelay.reconcile.OnDelete;
import dev.pgbelay.reconcile.Reference;
import dev.pgbelay.reconcile.propagate.QueueSql.Entry;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicLong;
import org.jooq.DSLContext;
import org.jooq.JSONB;
import org.jooq.impl.DSL;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Brings captured deletes to the children: a chunk at a time, each in a transaction of its own that
 * also holds the captured delete's row. Any number of workers may run; a worker that dies leaves
 * nothing half done.
 *
 * <p>Children are taken first where nobody else has them locked, and waited for at the end. Only
 * those are treated that have no parent at that moment: one that was inserted again under the same
 * key, and committed, keeps its children. A parent that a transaction inserts which is open just
 * then cannot be seen; the reference's grace is for that, before which nothing is treated. Each
 * child is kept in {@code reconcile_undo} before it is changed, and treated once.
 *
 * <p>Blocks the calling thread, with one connection. Triggers fire, so what is cascaded is captured
 * for the next reference. Needs the rights to make the changes, and to write the library's tables.
 * Immutable and safe for several threads.
 */
public final class Propagation {
  private static final Logger LOG = LoggerFactory.getLogger(Propagation.class);
  private static final int MOST_ATTEMPTS = 20;

  private final Transactions transactions;
  private final Map<String, Reference> references;
  private final List<Reference> all;
  private final String schema;
  private final int chunk;
  private final int confirmAbove;
  private final TxOptions options;
  private final QueueSql queue;

  private Propagation(Builder builder) {
    this.transactions = builder.transactions;
    this.all = builder.declarations.references();
    this.references =
        all.stream()
            .filter(each -> each.onDelete().action() != OnDelete.Action.RESTRICT)
            .collect(java.util.stream.Collectors.toMap(Reference::name, each -> each));
    this.schema = builder.schema;
    this.chunk = builder.chunk;
    this.confirmAbove = builder.confirmAbove;
    this.queue = new QueueSql(schema);
    this.options =
        TxOptions.builder()
            .path("reconcile-propagation")
            .deadline(builder.chunkTimeout)
            .lockTimeout(builder.lockTimeout)
            .build();
  }

  public static Builder builder(Transactions transactions, Declarations declarations) {
    return new Builder(transactions, declarations);
  }

  /** A loop over {@link #runOnce()}, to be started and stopped by the service. */
  public BackgroundLoop.Builder loop(String name) {
    return BackgroundLoop.builder(name, this::runOnce);
  }

  /**
   * Treats one chunk of the most urgent delete that is due. One that fails is tried again after 1
   * second to 5 minutes, and held with its error after 20 times in a row.
   */
  public Pass runOnce() {
    AtomicLong taken = new AtomicLong();
    try {
      return transactions.run(options, tx -> step(tx, taken));
    } catch (RuntimeException e) {
      if (taken.get() == 0) {
        throw e;
      }
      LOG.warn("Captured delete {} could not be propagated; it is tried again", taken.get(), e);
      transactions.execute(
          options, tx -> queue.failed(tx.dsl(), taken.get(), e.toString(), MOST_ATTEMPTS));
      return Pass.worked(1);
    }
  }

  private Pass step(Tx tx, AtomicLong taken) {
    DSLContext dsl = tx.dsl();
    Optional<Entry> next = queue.next(dsl, List.copyOf(references.keySet()));
    taken.set(next.map(Entry::id).orElse(0L));
    if (next.isEmpty()) {
      return Pass.idle();
    }
    Entry entry = next.get();
    ChildrenSql children = new ChildrenSql(dsl, schema, reference(entry.reference()), entry);
    if (!entry.confirmed() && entry.treated() == 0) {
      PropagationPlan plan = plan(dsl, entry, children, confirmAbove + 1);
      if (plan.total() > confirmAbove) {
        queue.hold(
            dsl,
            entry.id(),
            "changes more than %d rows, which needs to be confirmed; counted so far: %s"
                .formatted(confirmAbove, plan.rows()));
        return Pass.worked(1);
      }
    }
    List<JSONB> locked = children.lock(chunk);
    if (locked.isEmpty()) {
      queue.done(dsl, entry.id());
      return Pass.worked(1);
    }
    long changed = children.treat(tx, locked);
    queue.progress(dsl, entry.id(), changed);
    return Pass.worked(locked.size());
  }

  /**
   * What the delete of a parent that is still there would do; changes nothing. RESTRICT stands in
   * the counts as the rows that refuse it.
   *
   * @param key the parent's columns, in the order of the declaration
   * @throws PgBelayException if there is no such reference, or the key has other columns
   */
  public PropagationPlan plan(String reference, Object... key) {
    Reference one =
        all.stream()
            .filter(each -> each.name().equals(reference))
            .findFirst()
            .orElseThrow(
                () -> new PgBelayException("plan of '" + reference + "': no such reference"));
    if (key.length != one.parentColumns().size()) {
      throw new PgBelayException(
          "plan of '%s': a key has %d columns, %d values were given"
              .formatted(reference, one.parentColumns().size(), key.length));
    }
    return transactions.run(
        options,
        tx -> {
          JSONB texts =
              tx.dsl()
                  .select(
                      DSL.jsonbArray(
                          Arrays.stream(key).map(each -> DSL.val(String.valueOf(each))).toList()))
                  .fetchSingle()
                  .value1();
          return new PropagationPlan(
              0,
              reference,
              Optional.of(texts.data()),
              Optional.empty(),
              Optional.empty(),
              new PlanSql(tx.dsl(), all, Integer.MAX_VALUE)
                  .count(one, ChildrenSql.of(tx.dsl(), one, texts)));
        });
  }

  /** What is captured and not yet done, held or not, the oldest first; counts every row. */
  public List<PropagationPlan> open(int most) {
    OptionRange.require("most", most, 1, 10_000);
    return transactions.run(
        options,
        tx ->
            queue.open(tx.dsl(), List.copyOf(references.keySet()), most).stream()
                .map(
                    entry ->
                        plan(
                            tx.dsl(),
                            entry,
                            new ChildrenSql(tx.dsl(), schema, reference(entry.reference()), entry),
                            Integer.MAX_VALUE))
                .toList());
  }

  /**
   * Lets a held delete go on, however many rows it reaches.
   *
   * @throws PgBelayException if it is not there any more
   */
  public void confirm(long id) {
    transactions.execute(
        options,
        tx -> {
          if (!queue.confirm(tx.dsl(), id)) {
            throw new PgBelayException(
                "captured delete " + id + " is not there: it was done, or never captured");
          }
        });
  }

  private PropagationPlan plan(DSLContext dsl, Entry entry, ChildrenSql children, int most) {
    Reference reference = reference(entry.reference());
    return new PropagationPlan(
        entry.id(),
        entry.reference(),
        Optional.ofNullable(entry.parentKey()).map(JSONB::data),
        Optional.of(entry.batch()),
        Optional.ofNullable(entry.heldBecause()),
        new PlanSql(dsl, all, most).count(reference, children.orphans()));
  }

  private Reference reference(String name) {
    return java.util.Objects.requireNonNull(references.get(name));
  }

  /** Collects options. Not safe for several threads. */
  public static final class Builder {
    private final Transactions transactions;
    private final Declarations declarations;
    private String schema = SchemaInstaller.DEFAULT_SCHEMA;
    private int chunk = 500;
    private int confirmAbove = 10_000;
    private Duration chunkTimeout = Duration.ofSeconds(30);
    private Duration lockTimeout = Duration.ofSeconds(2);

    private Builder(Transactions transactions, Declarations declarations) {
      this.transactions = transactions;
      this.declarations = declarations;
    }

    /** Where the library's tables are, {@code pgbelay} unless said. */
    public Builder schema(String name) {
      this.schema = name;
      return this;
    }

    /** Children of one transaction: 1 to 10,000, 500 unless said. */
    public Builder chunk(int rows) {
      OptionRange.require("chunk", rows, 1, 10_000);
      this.chunk = rows;
      return this;
    }

    /**
     * With more rows than that a delete is held until {@link Propagation#confirm}, counted before
     * its first chunk: 1 to 1,000,000,000, 10,000 unless said.
     */
    public Builder confirmAbove(int rows) {
      OptionRange.require("confirmAbove", rows, 1, 1_000_000_000);
      this.confirmAbove = rows;
      return this;
    }

    /** For one chunk: 1 second to 10 minutes, 30 seconds unless said. */
    public Builder chunkTimeout(Duration time) {
      OptionRange.require("chunkTimeout", time, Duration.ofSeconds(1), Duration.ofMinutes(10));
      this.chunkTimeout = time;
      return this;
    }

    /** For each lock that is waited for: 10 ms to 1 minute, 2 seconds unless said. */
    public Builder lockTimeout(Duration time) {
      OptionRange.require("lockTimeout", time, Duration.ofMillis(10), Duration.ofMinutes(1));
      this.lockTimeout = time;
      return this;
    }

    public Propagation build() {
      return new Propagation(this);
    }
  }
}

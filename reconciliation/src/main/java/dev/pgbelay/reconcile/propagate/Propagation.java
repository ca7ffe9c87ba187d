package dev.pgbelay.reconcile.propagate;

import dev.pgbelay.batch.chunk.ThrottleSignal;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.background.BackgroundLoop;
import dev.pgbelay.core.background.Pass;
import dev.pgbelay.core.internal.MissingTable;
import dev.pgbelay.core.internal.OptionRange;
import dev.pgbelay.core.internal.SteadyText;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.reconcile.Declarations;
import dev.pgbelay.reconcile.guard.DeletedParents;
import dev.pgbelay.reconcile.internal.Given;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Brings captured deletes to the children: a chunk at a time, each in a transaction of its own that
 * also holds the captured delete's row. Any number of workers may run; a worker that dies leaves
 * nothing half done.
 *
 * <p>Children are walked by their key, twice: first past those that somebody else has locked, then
 * waiting for them one by one, with no other child locked. An index of the child on the referring
 * columns <em>and then its primary key</em> makes a chunk cost the same however many children there
 * are. Only those are treated that have no parent at that moment: one that was inserted again under
 * the same key, and committed, keeps its children. A parent that a transaction inserts which is
 * open just then cannot be seen; the reference's grace is for that, before which nothing is
 * treated. Each child is kept in {@code reconcile_undo} before it is changed, and treated once.
 *
 * <p>Blocks the calling thread, with one connection. Triggers fire, so what is cascaded is captured
 * for the next reference. Needs the rights to make the changes, and to write the library's tables.
 * Immutable and safe for several threads.
 */
public final class Propagation {
  private static final Logger LOG = LoggerFactory.getLogger(Propagation.class);
  private static final int MOST_ATTEMPTS = 20;

  private final Transactions transactions;
  private final TxOptions options;
  private final PropagatedReferences references;
  private final PropagationPlans plans;
  private final QueueSql queue;
  private final int countAtMost;
  private final PropagationPacing pacing;
  private final PropagationStep step;

  private Propagation(Builder builder) {
    this.transactions = builder.transactions;
    this.references = PropagatedReferences.of(builder.declarations, builder.schema);
    this.plans = new PropagationPlans(references);
    this.queue = new QueueSql(builder.schema);
    this.countAtMost = builder.countAtMost;
    this.pacing =
        new PropagationPacing(
            builder.rowsPerSecond, builder.pause, builder.dutyPercent, builder.sleeper);
    this.step =
        new PropagationStep(
            references,
            queue,
            builder.chunk,
            builder.confirmAbove,
            builder.chunkTimeout,
            builder.throttle,
            builder.guards,
            builder.sleeper);
    this.options =
        SteadyText.in(TxOptions.builder())
            .path("reconcile-propagation")
            .isolation(TxOptions.Isolation.READ_COMMITTED) // who waited sees what came meanwhile
            .setting("row_security", "off") // hidden children are an error, not none
            .deadline(builder.chunkTimeout)
            .lockTimeout(builder.lockTimeout)
            .build();
  }

  /**
   * Begins a worker.
   *
   * @param transactions a transaction of it is a chunk
   * @param declarations whose references are propagated, but those with RESTRICT
   */
  public static Builder builder(Transactions transactions, Declarations declarations) {
    return new Builder(
        Given.required("propagation: transactions", transactions),
        Given.required("propagation: declarations", declarations));
  }

  /** A loop over {@link #runOnce()}, to be started and stopped by the service. */
  public BackgroundLoop.Builder loop(String name) {
    return BackgroundLoop.builder(name, this::runOnce);
  }

  /**
   * Treats one chunk of the most urgent delete that is due, and pauses as {@link
   * Builder#dutyPercent}, {@link Builder#rowsPerSecond} and {@link Builder#pause} say, without a
   * connection. One that fails is tried again after 1 second to 5 minutes, and held with its error
   * after 20 times in a row.
   */
  public Pass runOnce() {
    PropagationStep.Course course = new PropagationStep.Course();
    try {
      long start = pacing.sleeper().nanoTime();
      Pass pass = transactions.run(options, tx -> step.run(tx, course));
      if (pass.work() > 0) {
        pacing.after(pass.work(), pacing.sleeper().nanoTime() - start - course.waitedNanos());
      }
      return pass;
    } catch (RuntimeException e) {
      if (course.taken() == 0) {
        throw explained(e);
      }
      LOG.warn("Captured delete {} could not be propagated; it is tried again", course.taken(), e);
      transactions.execute(
          options, tx -> queue.failed(tx.dsl(), course.taken(), e.toString(), MOST_ATTEMPTS));
      return Pass.worked(1);
    }
  }

  /**
   * What the delete of a parent that is still there would do; changes nothing. RESTRICT stands in
   * the counts as the rows that refuse it. Counts as far as {@link Builder#countAtMost}.
   *
   * @param key the parent's columns, in the order of the declaration
   * @throws PgBelayException if there is no such reference, or the key has other columns
   */
  public PropagationPlan plan(String reference, Object... key) {
    references.declared("plan of", reference);
    Given.required("plan of '" + reference + "': the key", key);
    return asked(tx -> plans.ofParent(tx.dsl(), reference, key, countAtMost));
  }

  /**
   * What is captured and not yet done, held or not, the oldest first. Counts rows of each as far as
   * {@link Builder#countAtMost}.
   */
  public List<PropagationPlan> open(int most) {
    OptionRange.require("most", most, 1, 10_000);
    return asked(tx -> plans.open(tx.dsl(), queue, most, countAtMost));
  }

  /**
   * How much there is to do, for metrics and health: one statement along indexes, without the
   * children. Counts deletes of each reference as far as {@link Builder#countAtMost}.
   */
  public PropagationBacklog backlog() {
    return asked(tx -> plans.backlog(tx.dsl(), countAtMost));
  }

  private <T> T asked(Function<Tx, T> question) {
    try {
      return transactions.run(options, question::apply);
    } catch (RuntimeException e) {
      throw explained(e);
    }
  }

  private static RuntimeException explained(RuntimeException failure) {
    return MissingTable.explained(failure, "captured deletes", "reconcile");
  }

  /**
   * Lets a held delete go on, however many rows it reaches.
   *
   * @throws PgBelayException if it is not there any more
   */
  public void confirm(long id) {
    boolean confirmed = asked(tx -> queue.confirm(tx.dsl(), id));
    if (!confirmed) {
      throw new PgBelayException(
          "captured delete %d is not there: it was done, or never captured; open(...) lists those that are"
              .formatted(id));
    }
  }

  /** Collects options. Not safe for several threads. */
  public static final class Builder {
    private final Transactions transactions;
    private final Declarations declarations;
    private String schema = SchemaInstaller.DEFAULT_SCHEMA;
    private int chunk = 100;
    private int confirmAbove = 10_000;
    private int countAtMost = 100_000;
    private int rowsPerSecond = PropagationPacing.NO_RATE;
    private Duration pause = Duration.ZERO;
    private int dutyPercent = 25;
    private PropagationPacing.Sleeper sleeper = TimeUnit.NANOSECONDS::sleep;
    private List<ThrottleSignal> throttle = List.of();
    private List<DeletedParents> guards = List.of();
    private Duration chunkTimeout = Duration.ofSeconds(30);
    private Duration lockTimeout = Duration.ofSeconds(2);

    private Builder(Transactions transactions, Declarations declarations) {
      this.transactions = transactions;
      this.declarations = declarations;
    }

    /** Where the library's tables are, {@code pgbelay} unless said. */
    public Builder schema(String name) {
      this.schema = Given.schema(name);
      return this;
    }

    /** Children of one transaction: 1 to 10,000, 100 unless said. */
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

    /**
     * How many rows of each reference {@link Propagation#plan} and {@link Propagation#open} count,
     * and deletes {@link Propagation#backlog}: 1 to 1,000,000,000, 100,000 unless said.
     */
    public Builder countAtMost(int rows) {
      OptionRange.require("countAtMost", rows, 1, 1_000_000_000);
      this.countAtMost = rows;
      return this;
    }

    /**
     * Children that one thread treats on average: 1 to 1,000,000 a second, as many as it can unless
     * said. After a chunk that was faster it pauses.
     */
    public Builder rowsPerSecond(int rows) {
      OptionRange.require("rowsPerSecond", rows, 1, 1_000_000);
      this.rowsPerSecond = rows;
      return this;
    }

    /**
     * Share of the time in which one thread works: 1 to 100 percent, 25 unless said. After a chunk
     * it pauses for as long as that asks, at most 5 seconds; that it waited for a lock does not
     * count.
     */
    public Builder dutyPercent(int percent) {
      OptionRange.require("dutyPercent", percent, 1, 100);
      this.dutyPercent = percent;
      return this;
    }

    /** At least so long after each chunk: 0 to 1 minute, 0 unless said. */
    public Builder pause(Duration time) {
      OptionRange.require("pause", time, Duration.ZERO, Duration.ofMinutes(1));
      this.pause = time;
      return this;
    }

    /**
     * What is asked before each chunk; while one says to wait, none is treated. None unless said.
     */
    public Builder throttle(List<ThrottleSignal> signals) {
      this.throttle = Given.all("throttle", signals);
      return this;
    }

    /** Who is told of each parent that went, when its delete is first looked at. */
    public Builder tells(DeletedParents... caches) {
      this.guards = Given.all("tells", caches);
      return this;
    }

    Builder sleeper(PropagationPacing.Sleeper instead) {
      this.sleeper = instead;
      return this;
    }

    /**
     * For one chunk, after which the server ends the transaction of a worker that has stopped too:
     * 1 second to 10 minutes, 30 seconds unless said.
     */
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

    /** Asks the database nothing. */
    public Propagation build() {
      return new Propagation(this);
    }
  }
}

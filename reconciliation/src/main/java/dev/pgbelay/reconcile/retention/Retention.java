package dev.pgbelay.reconcile.retention;

import dev.pgbelay.batch.chunk.ChunkedJob;
import dev.pgbelay.batch.chunk.Purge;
import dev.pgbelay.batch.chunk.ThrottleSignal;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.background.BackgroundLoop;
import dev.pgbelay.core.background.Pass;
import dev.pgbelay.core.internal.MissingTable;
import dev.pgbelay.core.internal.OptionRange;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.reconcile.internal.Given;
import java.time.Duration;
import java.time.OffsetDateTime;
import java.util.List;
import org.jooq.Condition;
import org.jooq.Field;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;

/**
 * Deletes what is old, by the database's clock, in short transactions: runs, findings that are
 * closed, and what would undo repairs and propagated deletes, after which they cannot be undone.
 *
 * <p>Never goes: a run or a finding that is open; of each declaration, version and mode the last
 * whole run, and without one since then the first run and the last; undo rows of captured deletes
 * that are not done.
 *
 * <p>Each of the three is a {@linkplain ChunkedJob chunked job}: several processes at once are one
 * run. {@link #run()} blocks the calling thread, with one connection at a time. Needs DELETE on the
 * three tables and the table of module {@code batch}, and {@code pg_monitor} where the primary has
 * replicas: the throttle waits for what it may not see, and the run ends with that after {@link
 * Builder#waitAtMost}. Immutable and safe for several threads.
 */
public final class Retention {
  private static final Field<Long> ID =
      DSL.field(DSL.name("id"), SQLDataType.BIGINT.nullable(false));

  private final Transactions transactions;
  private final String schema;
  private final Duration runs;
  private final Duration findings;
  private final Duration undo;
  private final List<ThrottleSignal> throttle;
  private final Duration waitAtMost;

  private Retention(Builder builder) {
    this.transactions = builder.transactions;
    this.schema = builder.schema;
    this.runs = builder.runs;
    this.findings = builder.findings;
    this.undo = builder.undo;
    this.throttle = builder.throttle;
    this.waitAtMost = builder.waitAtMost;
  }

  /**
   * How many rows went.
   *
   * @param undo rows of {@code reconcile_undo}
   */
  public record Purged(long runs, long findings, long undo) {
    /** All of them. */
    public long total() {
      return runs + findings + undo;
    }
  }

  public static Builder builder(Transactions transactions) {
    return new Builder(Given.required("retention: transactions", transactions));
  }

  /**
   * Deletes what is old now. What another process is at is left to it.
   *
   * @throws PgBelayException if the throttle has held it up for {@link Builder#waitAtMost}, with
   *     what it waited for; what has gone by then is gone
   */
  public Purged run() {
    try {
      return purgeAll();
    } catch (RuntimeException e) {
      throw MissingTable.explained(e, "runs and findings", "reconcile");
    }
  }

  private Purged purgeAll() {
    Table<?> deleted = table("reconcile_deleted");
    return new Purged(
        purge(
            "reconcile_run",
            "finished_at",
            runs,
            RetentionSql.runIsOfNoUse(table("reconcile_run"))),
        purge("reconcile_finding", "closed_at", findings, RetentionSql.findingIsClosed()),
        purge("reconcile_undo", "done_at", undo, RetentionSql.undoIsOfNothingOpen(deleted)));
  }

  /**
   * A loop over {@link #run()}, to be started and stopped by the service.
   *
   * @param name of the thread and its metrics
   * @param every between two runs: 1 second to 1 hour
   */
  public BackgroundLoop.Builder loop(String name, Duration every) {
    OptionRange.require("every", every, Duration.ofSeconds(1), Duration.ofHours(1));
    return BackgroundLoop.builder(name, this::runOnce).idlePause(every, every);
  }

  private Pass runOnce() {
    run();
    return Pass.idle();
  }

  private Table<?> table(String name) {
    return DSL.table(DSL.name(schema, name));
  }

  private long purge(String table, String column, Duration keep, Condition where) {
    Field<OffsetDateTime> ended = DSL.field(DSL.name(column), SQLDataType.TIMESTAMPWITHTIMEZONE);
    return Purge.olderThan(transactions, "reconcile-retention:" + table, table(table), ended, keep)
        .schema(schema)
        .key(ID)
        .where(where)
        .throttle(new BoundedWait(waitAtMost).over(throttle))
        .build()
        .run()
        .rows();
  }

  /** Collects options. Not safe for several threads. */
  public static final class Builder {
    private final Transactions transactions;
    private String schema = SchemaInstaller.DEFAULT_SCHEMA;
    private Duration runs = Duration.ofDays(90);
    private Duration findings = Duration.ofDays(90);
    private Duration undo = Duration.ofDays(90);
    private List<ThrottleSignal> throttle = ThrottleSignal.defaults();
    private Duration waitAtMost = Duration.ofMinutes(15);

    private Builder(Transactions transactions) {
      this.transactions = transactions;
    }

    /** The schema of the tables; {@value SchemaInstaller#DEFAULT_SCHEMA} unless said. */
    public Builder schema(String name) {
      this.schema = Given.schema(name);
      return this;
    }

    /** What it gives way to; {@link ThrottleSignal#defaults()} unless said. */
    public Builder throttle(List<? extends ThrottleSignal> signals) {
      this.throttle = Given.all("throttle", signals);
      return this;
    }

    /**
     * How long the throttle may hold it up in a row, in each of the three tables, before {@link
     * Retention#run} says so: 0 to 1 day, 15 minutes unless said. What this role may not see for
     * want of {@code pg_monitor} holds it up too, and does not end: a replica of another role.
     */
    public Builder waitAtMost(Duration time) {
      this.waitAtMost = time;
      return this;
    }

    /** How long runs are kept after their end: 1 minute to 3650 days, 90 days unless said. */
    public Builder keepRuns(Duration time) {
      this.runs = time;
      return this;
    }

    /**
     * How long findings are kept after they were closed: 1 minute to 3650 days, 90 days unless
     * said; as long as undo rows at least, so that what is undone is open again.
     */
    public Builder keepFindings(Duration time) {
      this.findings = time;
      return this;
    }

    /**
     * How long repairs and propagated deletes can be undone: 1 minute to 3650 days, 90 days unless
     * said.
     */
    public Builder keepUndo(Duration time) {
      this.undo = time;
      return this;
    }

    /**
     * Asks no database.
     *
     * @throws PgBelayException naming the option and what is wrong with it
     */
    public Retention build() {
      require("keepRuns", runs);
      require("keepFindings", findings);
      require("keepUndo", undo);
      OptionRange.require("waitAtMost", waitAtMost, Duration.ZERO, Duration.ofDays(1));
      if (findings.compareTo(undo) < 0) {
        throw new PgBelayException(
            "keepFindings is "
                + findings
                + ", and what closed them can be undone for keepUndo, which is "
                + undo
                + ": it must be at least as long");
      }
      return new Retention(this);
    }

    private static void require(String option, Duration time) {
      OptionRange.require(option, time, Duration.ofMinutes(1), Duration.ofDays(3650));
    }
  }
}

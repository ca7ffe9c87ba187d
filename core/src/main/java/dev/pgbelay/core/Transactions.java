package dev.pgbelay.core;

import io.micrometer.core.instrument.MeterRegistry;
import java.sql.SQLException;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import javax.sql.DataSource;
import org.jooq.Configuration;
import org.jooq.SQLDialect;
import org.jooq.impl.DefaultConfiguration;
import org.jspecify.annotations.Nullable;

/**
 * Runs functions in transactions and says what became of them: committed or not by fact, failures
 * by {@link FailureKind}, the whole function again where that is known to be safe.
 *
 * <p>Each run takes one connection from the {@code DataSource}, in autocommit or not, and gives it
 * back as it was. Blocks the calling thread for the pool, the work and the pauses between retries.
 * Safe for several threads; build one per {@code DataSource} and keep it. Works behind PgBouncer in
 * transaction mode (with {@code prepareThreshold=0} or PgBouncer 1.21 and later); sets nothing on a
 * session that outlives its transaction.
 */
public final class Transactions {
  private final TransactionRunner runner;

  private Transactions(Builder builder) {
    this.runner =
        new TransactionRunner(
            builder.dataSource,
            builder.configuration,
            builder.retry,
            Map.copyOf(builder.bulkheads),
            builder.events());
  }

  /** With default settings. */
  public static Transactions of(DataSource dataSource) {
    return builder(dataSource).build();
  }

  public static Builder builder(DataSource dataSource) {
    return new Builder(dataSource);
  }

  /** {@link #commit(TxOptions, TxWork)} with default options, for its value alone. */
  public <T extends @Nullable Object, X extends Exception> T run(TxWork<T, X> work) throws X {
    return runner.run(TxOptions.defaults(), work);
  }

  /** {@link #commit(TxOptions, TxWork)} for its value alone. */
  public <T extends @Nullable Object, X extends Exception> T run(
      TxOptions options, TxWork<T, X> work) throws X {
    return runner.run(options, work);
  }

  /** {@link #run(TxWork)} without a result. */
  public <X extends Exception> void execute(TxWork.Action<X> work) throws X {
    execute(TxOptions.defaults(), work);
  }

  /** {@link #run(TxOptions, TxWork)} without a result. */
  public <X extends Exception> void execute(TxOptions options, TxWork.Action<X> work) throws X {
    TxWork<Boolean, X> returning =
        tx -> {
          work.run(tx);
          return true;
        };
    runner.run(options, returning);
  }

  /**
   * Runs {@code work} and commits. The commit is one round trip, and tells whether the transaction
   * wrote and where in the log it lies.
   *
   * <p>What {@code work} throws reaches the caller as it is, after a rollback; failures of earlier
   * attempts are suppressed in it. {@link Failures#classify} tells what it means.
   *
   * @throws TransactionAbortedException if the work returned, but one of its statements had failed
   *     and COMMIT would have rolled back in silence
   * @throws OutcomeUnknownException if the answer to COMMIT was lost and could not be found out
   * @throws TransactionException if no connection was to be had, the bulkhead of the path is full,
   *     the deadline has passed, COMMIT failed, or a transaction is already open on this thread and
   *     the options do not say {@link TxOptions.Nesting#JOIN}
   */
  public <T extends @Nullable Object, X extends Exception> Commit<T> commit(
      TxOptions options, TxWork<T, X> work) throws X {
    return runner.commit(options, work);
  }

  /**
   * {@link #commitStatement} for its value alone: where the pool's connections are in autocommit,
   * nothing but the statement is sent.
   *
   * @throws SQLException as {@link #commitStatement}
   */
  public <T extends @Nullable Object> T runStatement(
      TxOptions options, String sql, TxWork.Binding binding, TxWork.Reading<T> reading)
      throws SQLException {
    return runner.statement(options, new LoneStatement<>(sql, binding, reading), false).value();
  }

  /**
   * Runs one statement that is a transaction by itself, in one round trip instead of two. Retried,
   * counted and bounded as the work of {@link #commit} is; nobody can add hooks to it. Options that
   * need a message of their own (isolation, settings, deadline, lock timeout, {@code
   * resolveOutcome}, read-only) are honoured, and make it an ordinary transaction of two round
   * trips or three.
   *
   * <p>Where the connection is lost after the statement was sent, it is not known whether it was
   * committed: that is so for the whole of it, not only for a COMMIT at its end.
   *
   * <p>Several statements with semicolons between them are one message too. Each sees what others
   * had committed when it began; {@code reading} is called at the result of the first.
   *
   * @param sql what neither begins nor ends a transaction
   * @throws SQLException what the server said of the statement, which it has undone
   * @throws OutcomeUnknownException if its answer was lost
   * @throws TransactionException as {@link #commit}; of kind {@link FailureKind#OTHER} if {@code
   *     reading} failed, after the commit
   */
  public <T extends @Nullable Object> Commit<T> commitStatement(
      TxOptions options, String sql, TxWork.Binding binding, TxWork.Reading<T> reading)
      throws SQLException {
    return runner.statement(options, new LoneStatement<>(sql, binding, reading), true);
  }

  /**
   * Whether connections come from this very {@code DataSource}: for what needs one of its own,
   * which transactions cannot exhaust.
   */
  public boolean isOn(DataSource other) {
    return runner.isOn(other);
  }

  /**
   * Refuses while this thread is inside a transaction: call it before anything that must not happen
   * under row locks, such as a call to another service.
   *
   * <p>Sees transactions opened by any {@code Transactions}, and those entered through {@link
   * Tx#join}, from then on and for as long as they are open. It cannot see transactions that never
   * met core, those of other threads, and a joined one whose connection was wrapped so that it can
   * no longer be told.
   *
   * @throws TransactionException naming the path
   */
  public static void requireNone() {
    String open = OpenTransactions.describeOpen();
    if (open != null) {
      throw new TransactionException(
          FailureKind.MISUSE,
          open
              + " is open on this thread, and what comes next must not run inside one. Finish it"
              + " first, or move this into tx.afterCommit",
          null);
    }
  }

  /** Not safe for several threads. */
  public static final class Builder {
    private final DataSource dataSource;
    private final Map<String, PathBulkhead> bulkheads = new LinkedHashMap<>();
    private String name = "default";
    private Configuration configuration = new DefaultConfiguration().set(SQLDialect.POSTGRES);
    private TxOptions.Retry retry = TxOptions.Retry.defaults();
    private @Nullable MeterRegistry registry;

    private Builder(DataSource dataSource) {
      this.dataSource = dataSource;
    }

    /** The tag {@code name} of the metrics, where a process has several. */
    public Builder name(String tag) {
      this.name = tag;
      return this;
    }

    /**
     * jOOQ's settings, listeners and mappings for {@link Tx#dsl()}. Its connection and transaction
     * providers are replaced; its dialect must be PostgreSQL's.
     */
    public Builder configuration(Configuration jooq) {
      if (jooq.family() != SQLDialect.POSTGRES) {
        throw new PgBelayException(
            "the jOOQ configuration must have SQLDialect.POSTGRES, has " + jooq.dialect());
      }
      this.configuration = jooq;
      return this;
    }

    /** For all transactions whose options do not say otherwise. */
    public Builder retry(TxOptions.Retry policy) {
      this.retry = policy;
      return this;
    }

    /**
     * At most {@code maxConcurrent} transactions of {@code path} at once, so that one slow path
     * cannot drain the pool for all others. One more waits for up to {@code maxWait}, or until its
     * own deadline if that comes first, then is refused with {@link FailureKind#BULKHEAD_FULL}. The
     * place is held across retries.
     *
     * @param maxConcurrent at least 1; together the paths should stay below the pool's size
     */
    public Builder bulkhead(String path, int maxConcurrent, Duration maxWait) {
      bulkheads.put(path, new PathBulkhead(path, maxConcurrent, maxWait));
      return this;
    }

    /** Where the metrics of the guide go; none are kept otherwise. */
    public Builder meterRegistry(MeterRegistry metrics) {
      this.registry = metrics;
      return this;
    }

    public Transactions build() {
      return new Transactions(this);
    }

    private TransactionEvents events() {
      return registry == null ? TransactionEvents.NONE : new TransactionMeters(registry, name);
    }
  }
}

package dev.pgbelay.core;

import dev.pgbelay.core.FailureKind.Fate;
import dev.pgbelay.core.FailureNote.Verdict;
import io.github.resilience4j.core.IntervalFunction;
import io.github.resilience4j.core.functions.Either;
import io.github.resilience4j.retry.Retry;
import io.github.resilience4j.retry.RetryConfig;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import javax.sql.DataSource;
import org.jooq.Configuration;
import org.jspecify.annotations.Nullable;

/** Bulkhead, retry and nesting around each {@link Attempt}. */
final class TransactionRunner {
  private final DataSource dataSource;
  private final Configuration configuration;
  private final TxOptions.Retry defaultRetry;
  private final Map<String, PathBulkhead> bulkheads;
  private final TransactionEvents events;
  private final Map<TxOptions.Retry, Retry> retries = new ConcurrentHashMap<>();
  private volatile @Nullable String url;

  TransactionRunner(
      DataSource dataSource,
      Configuration configuration,
      TxOptions.Retry defaultRetry,
      Map<String, PathBulkhead> bulkheads,
      TransactionEvents events) {
    this.dataSource = dataSource;
    this.configuration = configuration;
    this.defaultRetry = defaultRetry;
    this.bulkheads = bulkheads;
    this.events = events;
  }

  boolean isOn(DataSource other) {
    return dataSource == other;
  }

  /** For the value alone: nobody but hooks hears of the commit's position. */
  <T extends @Nullable Object, X extends Exception> T run(TxOptions options, TxWork<T, X> work)
      throws X {
    return commit(options, work, false).value();
  }

  <T extends @Nullable Object, X extends Exception> Commit<T> commit(
      TxOptions options, TxWork<T, X> work) throws X {
    return commit(options, work, true);
  }

  private <T extends @Nullable Object, X extends Exception> Commit<T> commit(
      TxOptions options, TxWork<T, X> work, boolean asksForPosition) throws X {
    return commit(
        options,
        work,
        (deadline, attempt) ->
            new TransactionAttempt<>(
                this,
                dataSource,
                configuration,
                options,
                deadline,
                attempt,
                work,
                asksForPosition));
  }

  /** One statement; in a transaction of the usual sort if the options ask for more than that. */
  <T extends @Nullable Object> Commit<T> statement(
      TxOptions options, LoneStatement<T> statement, boolean asksForPosition) throws SQLException {
    if (!LoneStatement.suits(options)) {
      return commit(options, statement::runIn, asksForPosition);
    }
    return commit(
        options,
        statement::runIn,
        (deadline, attempt) ->
            new StatementAttempt<>(dataSource, options, statement, asksForPosition, attempt));
  }

  /** Makes the attempts of one call. */
  private interface Begin<T extends @Nullable Object, X extends Exception> {
    Attempt<T, X> begin(@Nullable Deadline deadline, int attempt);
  }

  /**
   * @param work what is run where a transaction is joined
   */
  private <T extends @Nullable Object, X extends Exception> Commit<T> commit(
      TxOptions options, TxWork<T, X> work, Begin<T, X> begin) throws X {
    if (options.nesting() != TxOptions.Nesting.INDEPENDENT) {
      OwnedTx outer = OpenTransactions.ownedOn(dataSource);
      if (outer != null) {
        return new Commit<>(
            Nesting.join(outer, options, work), Commit.Effect.UNKNOWN, Optional.empty(), 1);
      }
      Nesting.refuseInsideJoined(options, url);
    }
    Attempts<T, X> attempts = new Attempts<>(options, begin);
    Commit<T> commit = withBulkhead(attempts);
    attempts.runHooks(commit);
    return commit;
  }

  private <T extends @Nullable Object, X extends Exception> Commit<T> withBulkhead(
      Attempts<T, X> attempts) throws X {
    PathBulkhead bulkhead = bulkheads.get(attempts.options.path());
    if (bulkhead == null) {
      return withRetry(attempts);
    }
    enter(bulkhead, attempts.deadline);
    try {
      return withRetry(attempts);
    } finally {
      bulkhead.leave();
    }
  }

  private void enter(PathBulkhead bulkhead, @Nullable Deadline deadline) {
    int own = OpenTransactions.heldBy(this, bulkhead.path());
    try {
      if (own >= bulkhead.places() || !bulkhead.enter(deadline)) {
        throw full(bulkhead, own);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new TransactionException(
          FailureKind.OTHER,
          "path '"
              + bulkhead.path()
              + "' was interrupted while it waited for its bulkhead; nothing was begun",
          e);
    }
  }

  /**
   * @param own places that this thread itself holds: for all of them together it would wait in vain
   */
  private TransactionException full(PathBulkhead bulkhead, int own) {
    String path = bulkhead.path();
    events.bulkheadRefused(path);
    TransactionException refused =
        new TransactionException(
            FailureKind.BULKHEAD_FULL,
            "path '"
                + path
                + "' already runs the "
                + bulkhead.places()
                + " transactions that its bulkhead allows; nothing was begun. "
                + (own == 0
                    ? "Shed the load, or raise the limit within the size of the pool"
                    : "This thread holds "
                        + own
                        + " of them itself, around this one: an INDEPENDENT transaction inside its"
                        + " own path waits for itself. Give the inner one a path of its own, or"
                        + " join"),
            null);
    FailureNote.leave(refused, Verdict.ofCall(new Object(), path, refused.kind()));
    return refused;
  }

  private <T extends @Nullable Object, X extends Exception> Commit<T> withRetry(
      Attempts<T, X> attempts) throws X {
    TxOptions.Retry policy = attempts.policy;
    try {
      if (policy.maxAttempts() == 1) {
        return attempts.next();
      }
      return retries
          .computeIfAbsent(policy, TransactionRunner::retry)
          .executeSupplier(attempts::next);
    } catch (AttemptFailed failed) {
      throw TransactionRunner.<RuntimeException>unchecked(failed.failure());
    }
  }

  private static Retry retry(TxOptions.Retry policy) {
    IntervalFunction pause =
        IntervalFunction.ofExponentialRandomBackoff(
            policy.firstPause(), 2.0, 0.5, policy.maxPause());
    return Retry.of(
        "transactions",
        RetryConfig.custom()
            .maxAttempts(policy.maxAttempts())
            .retryOnException(e -> e instanceof AttemptFailed failed && failed.mayRetry())
            .intervalBiFunction((attempt, last) -> pauseWithin(pause.apply(attempt), last))
            .build());
  }

  private static long pauseWithin(long pause, Either<Throwable, Object> last) {
    return last.getLeft() instanceof AttemptFailed failed
        ? Math.min(pause, failed.budgetMillis())
        : pause;
  }

  @SuppressWarnings({"unchecked", "TypeParameterUnusedInFormals"}) // lets the work's own type out
  private static <E extends Throwable> E unchecked(Throwable failure) throws E {
    throw (E) failure;
  }

  /** The runs of one call, which share one budget of time. */
  private final class Attempts<T extends @Nullable Object, X extends Exception> {
    private final TxOptions options;
    private final TxOptions.Retry policy;
    private final Begin<T, X> begin;
    private final @Nullable Deadline deadline;
    private final Deadline lastStart;
    private int attempt;
    private @Nullable AttemptFailed previous;
    private @Nullable Attempt<T, X> committed;

    Attempts(TxOptions options, Begin<T, X> begin) {
      this.begin = begin;
      this.options = options;
      this.policy = options.retry().orElse(defaultRetry);
      this.deadline = options.deadline().map(Deadline::in).orElse(null);
      Deadline latest = Deadline.in(policy.maxElapsed());
      this.lastStart = deadline == null ? latest : latest.earlierOf(deadline);
    }

    Commit<T> next() {
      attempt++;
      if (previous != null) {
        events.retried(options.path(), previous.kind());
      }
      long begun = System.nanoTime();
      Attempt<T, X> run = begin.begin(deadline, attempt);
      Commit<T> commit;
      try {
        commit = run.run();
      } catch (Throwable failure) {
        throw failed(failure, run, since(begun));
      }
      events.committed(options.path(), since(begun));
      committed = run;
      if (url == null) {
        url = run.url();
      }
      return commit;
    }

    /** Outside the bulkhead: a hook may well run a transaction of the same path. */
    void runHooks(Commit<T> commit) {
      if (committed != null) {
        committed.runHooks(commit, events);
      }
    }

    private AttemptFailed failed(Throwable failure, Attempt<T, X> run, Duration time) {
      FailureKind kind = run.verdict(failure);
      FailureNote.leave(failure, Verdict.of(new Object(), options.path(), attempt, kind));
      events.failed(options.path(), kind, time);
      long budget = TimeUnit.NANOSECONDS.toMillis(lastStart.remainingNanos());
      boolean retry =
          run.mayRunAgain()
              && !(failure instanceof Error)
              && kind.fate() != Fate.UNKNOWN
              && policy.kinds().contains(kind)
              && budget > 0;
      AttemptFailed failed = new AttemptFailed(failure, kind, retry, budget);
      failed.keep(previous);
      previous = failed;
      return failed;
    }

    private static Duration since(long nanos) {
      return Duration.ofNanos(System.nanoTime() - nanos);
    }
  }
}

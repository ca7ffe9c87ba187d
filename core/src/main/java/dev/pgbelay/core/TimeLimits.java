package dev.pgbelay.core;

import dev.pgbelay.core.internal.StatementStart;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.jooq.ExecuteContext;
import org.jooq.ExecuteListener;
import org.jooq.ExecuteListenerProvider;
import org.jspecify.annotations.Nullable;

/**
 * How long the statements of one transaction may take: by its own deadline, and while a stretch
 * with a time of its own runs, by the innermost of those. The stretch is looked up by the driver's
 * connection, so it bounds whoever joins the transaction inside it, and however.
 */
final class TimeLimits {
  private final Connection connection;
  private final TransactionWatch watch;
  private final Object attempt;
  private final @Nullable Duration lockTimeout;
  private final @Nullable Timeouts whole;

  /**
   * @param attempt the run of the transaction
   * @param whole of the transaction itself, null if it was begun elsewhere
   */
  TimeLimits(
      Connection connection,
      TransactionWatch watch,
      Object attempt,
      @Nullable Duration lockTimeout,
      @Nullable Timeouts whole) {
    this.connection = connection;
    this.watch = watch;
    this.attempt = attempt;
    this.lockTimeout = lockTimeout;
    this.whole = whole;
  }

  ExecuteListenerProvider listener() {
    return new BeforeStatement();
  }

  /** What was in force when a savepoint was set. */
  record Mark(@Nullable Timeouts inForce, int timesSent) {}

  Mark mark() {
    Timeouts now = inForce();
    return new Mark(now, now == null ? 0 : now.timesSent());
  }

  /**
   * The server has put back what was in force at the savepoint; where that is something else, it
   * has to be set again.
   *
   * @param then null if that is not known
   */
  void rolledBackTo(@Nullable Mark then) {
    if (mark().equals(then)) {
      return;
    }
    if (whole != null) {
      whole.rolledBackToSavepoint();
    }
    OpenTransactions.stretchesOn(watch.driver()).forEach(Timeouts::rolledBackToSavepoint);
  }

  Optional<Duration> remaining() {
    Deadline deadline = deadline();
    return deadline == null
        ? Optional.empty()
        : Optional.of(Duration.ofNanos(deadline.remainingNanos()));
  }

  <T extends @Nullable Object, X extends Exception> T within(
      Tx tx, Duration time, TxWork<T, X> work) throws X {
    Deadline end = Deadline.in(time);
    Deadline running = deadline();
    Timeouts stretch =
        new Timeouts(
            connection,
            watch.driver(),
            watch.path(),
            running == null ? end : end.earlierOf(running),
            lockTimeout);
    Timeouts.Saved before;
    try {
      before = stretch.enter();
    } catch (SQLException e) {
      throw new TransactionException(
          Failures.classify(e), "path '" + watch.path() + "' could not set its timeouts", e);
    }
    Throwable failure = null;
    OpenTransactions.stretchBegun(stretch);
    try {
      return work.run(tx);
    } catch (Throwable t) {
      failure = t;
      stretch.explain(t, watch.path(), attempt);
      throw t;
    } finally {
      OpenTransactions.stretchEnded(stretch);
      restore(stretch, before, failure);
    }
  }

  private void restore(Timeouts stretch, Timeouts.Saved before, @Nullable Throwable failure) {
    try {
      stretch.leave(before);
    } catch (SQLException e) {
      if (failure == null) {
        throw new TransactionException(
            Failures.classify(e), "path '" + watch.path() + "' could not put its timeouts back", e);
      }
      Suppressed.keep(failure, e);
    }
  }

  private @Nullable Deadline deadline() {
    Timeouts now = inForce();
    return now == null ? null : now.deadline();
  }

  private @Nullable Timeouts inForce() {
    List<Timeouts> stretches = OpenTransactions.stretchesOn(watch.driver());
    return stretches.isEmpty() ? whole : stretches.get(0);
  }

  void statementStarts() {
    watch.touched().set(true);
    Timeouts now = inForce();
    if (now != null) {
      now.statementStarts();
    }
  }

  private final class BeforeStatement
      implements ExecuteListener, ExecuteListenerProvider, StatementStart {
    private static final long serialVersionUID = 1L;

    @Override
    public ExecuteListener provide() {
      return this;
    }

    @Override
    public void executeStart(ExecuteContext context) {
      TimeLimits.this.statementStarts();
    }

    @Override
    public void statementStarts() {
      TimeLimits.this.statementStarts();
    }
  }
}

package dev.pgbelay.core;

import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Optional;
import java.util.function.Consumer;
import org.jooq.Configuration;
import org.jooq.DSLContext;
import org.jooq.impl.DSL;
import org.jspecify.annotations.Nullable;

/** A stretch of an open transaction under a deadline of its own. */
final class BoundedTx implements Tx {
  private final Tx outer;
  private final Configuration base;
  private final Connection connection;
  private final String path;
  private final Object attempt;
  private final Deadline deadline;
  private final DSLContext dsl;

  private BoundedTx(
      Tx outer,
      Configuration base,
      Connection connection,
      String path,
      Object attempt,
      Timeouts timeouts,
      Deadline end) {
    this.outer = outer;
    this.base = base;
    this.connection = connection;
    this.path = path;
    this.attempt = attempt;
    this.deadline = end;
    Configuration own = base.derive();
    own.setAppending(timeouts.listener());
    this.dsl = DSL.using(own);
  }

  /**
   * @param attempt the run of the transaction that this is a stretch of
   * @param base without a listener for an outer deadline, which would set the longer time again
   */
  static <T extends @Nullable Object, X extends Exception> T run(
      Tx outer,
      Configuration base,
      Connection connection,
      String path,
      Object attempt,
      @Nullable Deadline running,
      Duration time,
      TxWork<T, X> work)
      throws X {
    Deadline end = Deadline.in(time);
    if (running != null) {
      end = end.earlierOf(running);
    }
    Timeouts timeouts = new Timeouts(connection, path, end, null);
    Timeouts.Saved before;
    try {
      before = timeouts.enter();
    } catch (SQLException e) {
      throw new TransactionException(
          Failures.classify(e), "path '" + path + "' could not set its timeouts", e);
    }
    Throwable failure = null;
    try {
      return work.run(new BoundedTx(outer, base, connection, path, attempt, timeouts, end));
    } catch (Throwable t) {
      failure = t;
      timeouts.explain(t, path, attempt);
      throw t;
    } finally {
      restore(timeouts, before, path, failure);
    }
  }

  private static void restore(
      Timeouts timeouts, Timeouts.Saved before, String path, @Nullable Throwable failure) {
    try {
      timeouts.leave(before);
    } catch (SQLException e) {
      if (failure == null) {
        throw new TransactionException(
            Failures.classify(e), "path '" + path + "' could not put its timeouts back", e);
      }
      Suppressed.keep(failure, e);
    }
  }

  @Override
  public DSLContext dsl() {
    return dsl;
  }

  @Override
  public Connection connection() {
    return outer.connection();
  }

  @Override
  public String id() {
    return outer.id();
  }

  @Override
  public void afterCommit(Consumer<? super Commit<?>> hook) {
    outer.afterCommit(hook);
  }

  @Override
  public void noRetryAfterThis() {
    outer.noRetryAfterThis();
  }

  @Override
  public Optional<Duration> remaining() {
    return Optional.of(Duration.ofNanos(deadline.remainingNanos()));
  }

  @Override
  public <T extends @Nullable Object, X extends Exception> T within(
      Duration time, TxWork<T, X> work) throws X {
    return run(this, base, connection, path, attempt, deadline, time, work);
  }
}

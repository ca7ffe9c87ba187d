package dev.pgbelay.core;

import java.sql.PreparedStatement;
import java.sql.SQLException;
import org.jspecify.annotations.Nullable;

/**
 * What a transaction does. It may run <b>several times</b> when {@link Transactions} retries: each
 * run must start from its arguments alone, and effects outside the database belong into {@link
 * Tx#afterCommit} or behind {@link Tx#noRetryAfterThis()}.
 *
 * <p>Runs on the thread that asked for the transaction, one run at a time, and possibly more than
 * once: what it keeps outside the database must bear that.
 *
 * @param <T> the result, which may be null
 * @param <X> the checked exception that the work may throw; it reaches the caller as it is
 */
@FunctionalInterface
public interface TxWork<T extends @Nullable Object, X extends Exception> {
  T run(Tx tx) throws X;

  /**
   * Work without a result; the same rules hold.
   *
   * @param <X> the checked exception that the work may throw
   */
  @FunctionalInterface
  interface Action<X extends Exception> {
    void run(Tx tx) throws X;
  }

  /** Sets the values of one statement; called anew for each run of it. */
  @FunctionalInterface
  interface Binding {
    void bind(PreparedStatement statement) throws SQLException;
  }

  /**
   * Reads what one statement returned, from its result set or its update count. It is called once,
   * after the commit: what it throws undoes nothing.
   *
   * @param <T> the result, which may be null
   */
  @FunctionalInterface
  interface Reading<T extends @Nullable Object> {
    T read(PreparedStatement executed) throws SQLException;
  }
}

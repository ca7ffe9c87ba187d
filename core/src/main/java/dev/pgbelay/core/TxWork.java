package dev.pgbelay.core;

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
}

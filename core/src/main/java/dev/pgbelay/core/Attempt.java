package dev.pgbelay.core;

import org.jspecify.annotations.Nullable;

/** One run of what {@link Transactions} was asked to do. */
interface Attempt<T extends @Nullable Object, X extends Exception> {
  Commit<T> run() throws X;

  /** What a failure of {@link #run} means. */
  FailureKind verdict(Throwable failure);

  /** Whether what was asked for bears to be done again, if nothing of it was committed. */
  boolean mayRunAgain();

  /** The database that was met, if any was. */
  @Nullable String url();

  default void runHooks(Commit<T> commit, TransactionEvents events) {}
}

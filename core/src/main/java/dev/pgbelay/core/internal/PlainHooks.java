package dev.pgbelay.core.internal;

import dev.pgbelay.core.Tx;

/**
 * Hooks after the commit that do not ask where in the log it is: that question is a statement more
 * in COMMIT's round trip.
 */
public interface PlainHooks {
  /** Like {@link Tx#afterCommit} in all else. */
  void afterCommit(Runnable hook);

  /** The same for any transaction. */
  static void add(Tx tx, Runnable hook) {
    if (tx instanceof PlainHooks owned) {
      owned.afterCommit(hook);
    } else {
      tx.afterCommit(commit -> hook.run());
    }
  }
}

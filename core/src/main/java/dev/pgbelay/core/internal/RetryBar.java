package dev.pgbelay.core.internal;

import dev.pgbelay.core.Tx;

/** Whether the work of a transaction has said that it must not run again. */
public interface RetryBar {
  boolean mayRunAgain();

  /** False where it has said so; true also of transactions that cannot tell. */
  static boolean isOpen(Tx tx) {
    return !(tx instanceof RetryBar bar) || bar.mayRunAgain();
  }
}

package dev.pgbelay.batch;

import dev.pgbelay.core.Tx;
import java.util.Map;
import java.util.WeakHashMap;

/**
 * How many more savepoints may be released in a transaction. Each one that wrote is a committed
 * subtransaction, and from the 65th on every other session must look them up on disk.
 */
final class SavepointBudget {
  static final int PER_TRANSACTION = 40;

  private static final Map<Tx, SavepointBudget> KNOWN = new WeakHashMap<>();

  private int left = PER_TRANSACTION;

  private SavepointBudget() {}

  static SavepointBudget of(Tx tx) {
    synchronized (KNOWN) {
      return KNOWN.computeIfAbsent(tx, each -> new SavepointBudget());
    }
  }

  /** False once there are none left. */
  boolean take() {
    if (left == 0) {
      return false;
    }
    left--;
    return true;
  }
}

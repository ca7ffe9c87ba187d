package dev.pgbelay.batch;

/**
 * How many more savepoints may be released in a transaction. Each one that wrote is a committed
 * subtransaction, and from the 65th on every other session must look them up on disk.
 */
final class SavepointBudget {
  static final int PER_TRANSACTION = 40;

  private int left = PER_TRANSACTION;

  /** False once there are none left. */
  boolean take() {
    if (left == 0) {
      return false;
    }
    left--;
    return true;
  }
}

package dev.pgbelay.lock.witness;

/** What a witness counts. */
interface WitnessEvents {
  WitnessEvents NONE = new WitnessEvents() {};

  default void found(LockFinding finding) {}

  default void benign(LockFinding finding) {}

  default void unseen(String reason) {}

  default void transaction(boolean sampled) {}

  default void deadlock(DeadlockReport report) {}

  default void heldTooLong(LongHold hold) {}
}

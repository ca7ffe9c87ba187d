package dev.pgbelay.idempotency.payment;

/** Where a payment stands. The guide has the diagram. */
public enum PaymentState {
  /** Somebody is at it, or it waits for its next attempt. */
  RUNNING,
  /** A provider was asked, and it is not known whether it acted. */
  UNKNOWN,
  /** It stands still, with a reason, until somebody decides. */
  PARKED,
  /** It has its answer. */
  COMPLETED
}

package dev.pgbelay.outbox;

/**
 * What a destination does with a message that cannot be delivered: one that was rejected, or failed
 * as often as it may.
 */
public enum PoisonPolicy {
  /** It is tried for ever, with the longest pause; what has the same key waits behind it. */
  BLOCK_KEY,
  /** It and all of its key wait until somebody decides; other keys go on. */
  PARK_KEY,
  /** It becomes a dead letter, and the next one of its key is delivered: its order has a gap. */
  DEAD_LETTER
}

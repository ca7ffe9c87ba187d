package dev.pgbelay.idempotency;

/** What became of a call under a key. The guide says which answer a client gets for each. */
public enum Outcome {
  /** This call did the work; its response is committed. */
  EXECUTED,
  /** The work was done before; the response is the one that was stored then. */
  REPLAYED,
  /** Another call is doing the work, or it is not finished yet. Ask again later. */
  IN_PROGRESS,
  /** The key was used for another request. Nothing was done; the client must not repeat this. */
  FINGERPRINT_MISMATCH,
  /**
   * A provider was called and it is not known whether it acted; or the work stands still until
   * somebody decides. The key is not free: the same call gets this answer until it is settled.
   */
  UNKNOWN_OUTCOME,
  /** The key is older than answers are kept, and its row is still there. Nothing was done. */
  EXPIRED
}

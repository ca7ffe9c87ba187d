package dev.pgbelay.lock.lease;

import dev.pgbelay.core.FailureKind;
import dev.pgbelay.core.TransactionException;

/**
 * The lease is not held any more: its holder was not heard of for longer than it lasts and somebody
 * else has had it since, an operator took it away, or a fail-over lost the grant. Nothing of the
 * transaction in which this was thrown may be committed, and the work must stop.
 */
public final class LeaseLostException extends TransactionException {
  private static final long serialVersionUID = 1L;

  private final String lease;

  LeaseLostException(String lease) {
    super(
        FailureKind.OTHER,
        "lease '"
            + lease
            + "' is not held any more: it ran out and was given to somebody else, or was taken away."
            + " Nothing of this transaction is committed; stop the work. If the process was not"
            + " stopped, make the lease longer than its longest pause",
        null);
    this.lease = lease;
  }

  /** The name of the lease. */
  public String lease() {
    return lease;
  }
}

package dev.pgbelay.lock.lease;

import dev.pgbelay.core.FailureKind;
import dev.pgbelay.core.TransactionException;
import java.time.Duration;
import java.util.Optional;

/** A lease was not to be had within the time given, because somebody else held it. */
public final class LeaseHeldException extends TransactionException {
  private static final long serialVersionUID = 1L;

  private final String lease;
  private final transient Optional<String> holder;

  LeaseHeldException(String lease, Optional<String> holder, Duration waited) {
    super(
        FailureKind.LOCK_TIMEOUT,
        "lease '"
            + lease
            + "' was not to be had within "
            + waited
            + holder.map(who -> "; held by " + who).orElse(""),
        null);
    this.lease = lease;
    this.holder = holder;
  }

  /** The name of the lease. */
  public String lease() {
    return lease;
  }

  /** What the holder called itself. */
  public Optional<String> holder() {
    return holder == null ? Optional.empty() : holder;
  }
}

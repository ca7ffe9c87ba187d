package dev.pgbelay.lock;

import dev.pgbelay.core.FailureKind;
import dev.pgbelay.core.Tx;
import dev.pgbelay.lock.LockOptions.Policy;
import dev.pgbelay.lock.LockStatements.Bounds;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import org.jooq.exception.DataAccessException;
import org.jspecify.annotations.Nullable;
import org.postgresql.PGConnection;

/** What one acquire waits for: how long at most, who is in the way, and what is said of it. */
final class LockWait {
  private static final Duration MARGIN = Duration.ofMillis(100);

  private final LockOrder order;
  private final Tx tx;
  private final LockOptions options;
  private Duration longest = Duration.ZERO;
  private long sent;

  LockWait(LockOrder order, Tx tx, LockOptions options) {
    this.order = order;
    this.tx = tx;
    this.options = options;
  }

  /** Of a statement that is about to be sent. */
  Bounds bounds(HeldLocks held) {
    longest = longestWait();
    sent = System.nanoTime();
    return Bounds.of(longest, held);
  }

  HolderSampler.Watch watch(PGConnection driver) {
    HolderSampler sampler = order.sampler();
    return sampler == null || options.policy() != Policy.WAIT
        ? HolderSampler.Watch.NONE
        : sampler.watch(driver.getBackendPID(), longestWait());
  }

  private Duration longestWait() {
    return tx.remaining()
        .map(LockWait::justBefore)
        .filter(left -> left.compareTo(options.longestWait()) < 0)
        .map(left -> left.toMillis() < 1 ? Duration.ofMillis(1) : left)
        .orElse(options.longestWait());
  }

  /** A lock's timeout tells more than the statement's, which comes at the deadline itself. */
  private static Duration justBefore(Duration deadline) {
    Duration tenth = deadline.dividedBy(10);
    return deadline.minus(tenth.compareTo(MARGIN) < 0 ? tenth : MARGIN);
  }

  RuntimeException explained(SQLException e, LockClass lockClass, HolderSampler.Watch watch) {
    if ("55P03".equals(e.getSQLState())) {
      FailureKind kind =
          options.policy() == Policy.NO_WAIT
              ? FailureKind.LOCK_NOT_AVAILABLE
              : FailureKind.LOCK_TIMEOUT;
      return notAvailable(kind, lockClass, watch.holders(), e);
    }
    boolean noNames = lockClass.isOfNames() && "42P01".equals(e.getSQLState());
    return new DataAccessException(
        "locks of class '"
            + lockClass.name()
            + "' were not acquired"
            + (noNames
                ? ": the table of names is missing; install it with SchemaInstaller, module \"lock\""
                : ""),
        e);
  }

  LockNotAvailableException notAvailable(
      FailureKind kind,
      LockClass lockClass,
      List<LockNotAvailableException.Holder> holders,
      @Nullable SQLException cause) {
    return new LockNotAvailableException(
        kind,
        lockClass.name(),
        "class '"
            + lockClass.name()
            + "': "
            + (kind == FailureKind.LOCK_TIMEOUT
                ? "a lock was not to be had in %d ms of at most %s (or the transaction's own lock_timeout); wait longer (LockOptions.waitAtMost), or let the transaction run again on LOCK_TIMEOUT as well (TxOptions.Retry)"
                    .formatted((System.nanoTime() - sent) / 1_000_000, longest)
                : "a lock is held by somebody else, and was not to be waited for"),
        holders,
        cause);
  }
}

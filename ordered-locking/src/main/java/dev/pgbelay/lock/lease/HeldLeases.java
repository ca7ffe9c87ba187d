package dev.pgbelay.lock.lease;

import dev.pgbelay.core.FailureKind;
import dev.pgbelay.core.Failures;
import dev.pgbelay.core.TransactionException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.internal.Fence;
import java.time.Duration;
import org.jooq.exception.DataAccessException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What holders do with leases that they have. Thread-safe. */
final class HeldLeases {
  private static final Logger LOG = LoggerFactory.getLogger(LeaseLock.class);
  private static final String GUARD_SAYS_LOST = "22P02";
  private static final String GUARD_CANNOT_SEE = "22012";

  private final Transactions transactions;
  private final LeaseSql sql;
  private final KeptLeases kept;
  private final Duration duration;
  private final Duration patience;

  HeldLeases(
      Transactions transactions,
      LeaseSql sql,
      KeptLeases kept,
      Duration duration,
      Duration patience) {
    this.transactions = transactions;
    this.sql = sql;
    this.kept = kept;
    this.duration = duration;
    this.patience = patience;
  }

  /** Whether it is held; if not, the transaction is aborted. */
  boolean guard(Tx tx, String name, Fence fence) {
    try {
      sql.guard(tx.dsl(), name, fence, duration);
      return true;
    } catch (DataAccessException e) {
      if (GUARD_SAYS_LOST.equals(e.sqlState())) {
        return false;
      }
      if (GUARD_CANNOT_SEE.equals(e.sqlState())) {
        throw new TransactionException(
            FailureKind.SERIALIZATION_FAILURE,
            "lease '"
                + name
                + "': the snapshot of this transaction does not show it, and may be older than it;"
                + " run the transaction again, and guard before anything else",
            e);
      }
      throw e;
    }
  }

  /** Whether it is held. */
  boolean renew(String name, Fence fence) {
    long asked = System.nanoTime();
    boolean held =
        transactions.run(
            LeaseLock.WRITE, tx -> sql.renew(tx.dsl(), name, fence, duration, patience));
    if (held) {
      kept.renewed(fence, asked);
    }
    return held;
  }

  Duration remaining(Fence fence) {
    return kept.remaining(fence);
  }

  Lease.ReleaseOutcome release(String name, Fence fence) {
    kept.forget(fence);
    // An interrupted thread gets no connection from a pool.
    boolean interrupted = Thread.interrupted();
    try {
      boolean held =
          transactions.run(LeaseLock.WRITE, tx -> sql.release(tx.dsl(), name, fence, patience));
      return held ? Lease.ReleaseOutcome.RELEASED : Lease.ReleaseOutcome.ALREADY_OVER;
    } catch (RuntimeException e) {
      LOG.warn(
          "lease '{}' could not be given back ({}); it ends by itself within {}",
          name,
          Failures.classify(e),
          duration);
      return Lease.ReleaseOutcome.LEFT_TO_EXPIRE;
    } finally {
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }

  void lost(Lease lease, Fence fence) {
    kept.lost(lease, fence);
  }
}

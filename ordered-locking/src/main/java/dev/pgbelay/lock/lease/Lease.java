package dev.pgbelay.lock.lease;

import dev.pgbelay.core.Tx;
import dev.pgbelay.core.internal.Fence;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jooq.Condition;
import org.jooq.Field;

/**
 * A lease that was granted to this process. It is kept alive until it is released, or lost.
 *
 * <p>Whether it is still held is known for certain in one place only: in a transaction that has
 * called {@link #guard}. What {@link #remaining} says is true at the moment it is said, and a pause
 * of the process can lie behind it. For what lies outside of this database there is {@link
 * #fencingToken}. Safe for several threads.
 */
public final class Lease implements AutoCloseable {
  private final HeldLeases leases;
  private final String name;
  private final Fence fence;
  private final long fencingToken;
  private final AtomicBoolean over = new AtomicBoolean();

  Lease(HeldLeases leases, String name, Fence fence, long fencingToken) {
    this.leases = leases;
    this.name = name;
    this.fence = fence;
    this.fencingToken = fencingToken;
  }

  public String name() {
    return name;
  }

  /**
   * Locks the lease for the caller's transaction: until it ends, nobody else can get the lease,
   * whatever the time. Call it before the first write; one round trip. It waits for nobody but a
   * change of hands that is under way.
   *
   * <p>So that a stopped process does not keep the lease for ever, {@code
   * idle_in_transaction_session_timeout} and {@code tcp_user_timeout} are lowered for this
   * transaction to the lease's duration: a client that is silent, or does not read what is sent to
   * it, for longer than that loses its session. Renewals go on meanwhile.
   *
   * @throws LeaseLostException if it is not held any more; the transaction is aborted, and cannot
   *     be committed even if this is caught
   * @throws dev.pgbelay.core.TransactionException of kind {@code SERIALIZATION_FAILURE} under
   *     REPEATABLE READ and SERIALIZABLE, if the snapshot does not show the lease as held
   */
  public void guard(Tx tx) {
    if (!leases.guard(tx, name, fence)) {
      lost();
      throw new LeaseLostException(name);
    }
  }

  /**
   * A number that is larger for each later grant of this name, for resources that remember the
   * largest they have seen and refuse smaller ones. It survives release, and the loss of the last
   * grants by a fail-over: numbers of a later timeline are larger.
   */
  public long fencingToken() {
    return fencingToken;
  }

  /**
   * For updates of rows that remember the largest token in a column: true while no later holder has
   * written. The update sets the column to {@link #fencingToken} as well, and must be checked to
   * have found its row.
   */
  public Condition isNewest(Field<Long> tokenColumn) {
    return tokenColumn.isNull().or(tokenColumn.le(fencingToken));
  }

  /**
   * Renews now, on the work's pool, in addition to the keep-alive.
   *
   * @throws LeaseLostException if it is not held any more
   */
  public void renew() {
    if (!leases.renew(name, fence)) {
      lost();
      throw new LeaseLostException(name);
    }
  }

  /**
   * How much longer the lease lasts at least, counted from before its last renewal was sent; zero
   * once it was released or is known to be lost. A good moment to stop is well before zero.
   */
  public Duration remaining() {
    return over.get() ? Duration.ZERO : leases.remaining(fence);
  }

  /** How the release went. */
  public enum ReleaseOutcome {
    /** The next one can have it at once. */
    RELEASED,
    /** It was not held any more; nothing was done. */
    ALREADY_OVER,
    /** The database could not be reached or a guarded transaction is open; it ends by itself. */
    LEFT_TO_EXPIRE
  }

  /** Gives the lease back; not from inside a transaction. Never throws for want of a database. */
  public ReleaseOutcome release() {
    if (over.getAndSet(true)) {
      return ReleaseOutcome.ALREADY_OVER;
    }
    return leases.release(name, fence);
  }

  /** {@link #release}. */
  @Override
  public void close() {
    release();
  }

  void lost() {
    if (!over.getAndSet(true)) {
      leases.lost(this, fence);
    }
  }

  @Override
  public String toString() {
    return "lease '" + name + "', token " + fencingToken;
  }
}

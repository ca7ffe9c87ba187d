package dev.pgbelay.jobqueue;

import dev.pgbelay.core.Commit;
import dev.pgbelay.core.CommitPosition;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.internal.Claimant;
import dev.pgbelay.core.internal.Fence;
import dev.pgbelay.core.internal.LeaseKeepAlive;
import java.sql.SQLException;
import java.time.Duration;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Under which identity this process claims. There is one row for it, kept alive apart from the
 * work; when others have given the process up, the next claim is made under a new identity.
 */
final class Registration implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(Registration.class);
  private static final TxOptions WRITE = TxOptions.forPath("jobqueue-worker");

  /** One identity, from its registration to its loss. */
  static final class Identity {
    private final Claimant claimant;
    private final Fence row;
    private final AtomicBoolean lost = new AtomicBoolean();

    /** Where it was registered; null where the server does not tell. */
    private final @Nullable CommitPosition registeredAt;

    Identity() {
      this(Claimant.random(), null);
    }

    private Identity(Claimant claimant, @Nullable CommitPosition registeredAt) {
      this.claimant = claimant;
      this.row = claimant.next();
      this.registeredAt = registeredAt;
    }

    Fence nextClaim() {
      return claimant.next();
    }

    UUID claimant() {
      return claimant.id();
    }

    boolean isLost() {
      return lost.get();
    }
  }

  private final WorkerOptions options;
  private final Transactions transactions;
  private final WorkerSql sql;
  private final Duration lease;
  private final WorkMeters meters;
  private final LeaseKeepAlive keepAlive;
  private volatile @Nullable Identity current;

  Registration(WorkerOptions options, WorkerSql sql, WorkMeters meters) {
    this.options = options;
    this.transactions = options.transactions();
    this.sql = sql;
    this.lease = options.lease();
    this.meters = meters;
    this.keepAlive =
        new LeaseKeepAlive(
            "jobs-" + options.name() + "-heartbeat",
            options.heartbeats(),
            lease,
            (connection, workers) -> sql.renew(connection, workers, lease, options.refusedKinds()),
            options.registry());
  }

  /** The identity to claim under, registered by now. */
  synchronized Identity identity() throws SQLException {
    if (current != null && !current.isLost()) {
      return current;
    }
    Claimant claimant = Claimant.random();
    long asked = System.nanoTime();
    Commit<UUID> commit =
        transactions.commit(
            WRITE,
            tx -> {
              sql.register(
                  tx.connection(),
                  claimant.id(),
                  options.node(),
                  lease,
                  options.queues().keySet(),
                  options.handlings().keySet());
              return claimant.id();
            });
    Identity next = new Identity(claimant, commit.position().orElse(null));
    keepAlive.add(next.row, asked, () -> lost(next));
    current = next;
    return next;
  }

  /** The identity that is registered and known to be alive; null if there is none. */
  @Nullable Identity live() {
    Identity identity = current;
    return identity == null || identity.isLost() || keepAlive.remaining(identity.row).isZero()
        ? null
        : identity;
  }

  /**
   * Is told where a claim was committed. After a fail-over the server may not have seen results
   * that were written before: to it those jobs run under this identity, which has forgotten them
   * and is alive. So the identity is left to expire, and they are rescued like those of any other.
   */
  void claimedAt(Identity identity, @Nullable CommitPosition position) {
    CommitPosition registered = identity.registeredAt;
    if (position == null || registered == null || registered.isComparableWith(position)) {
      return;
    }
    keepAlive.remove(identity.row);
    if (!identity.lost.getAndSet(true)) {
      meters.lostLease();
      LOG.warn(
          "The server is on timeline {}, and was on {}: this worker goes on under a new identity,"
              + " and what it had not finished goes to others once the lease of {} is over",
          position.timeline(),
          registered.timeline(),
          lease);
    }
  }

  private void lost(Identity identity) {
    if (!identity.lost.getAndSet(true)) {
      meters.lostLease();
      LOG.warn(
          "This worker was not heard of for longer than {}, and its jobs were given to others;"
              + " it goes on under a new identity",
          lease);
    }
  }

  /**
   * Whether jobs of this identity may be begun. While it is not known, because heartbeats fail or
   * the process was stopped, this waits for the next heartbeat to tell.
   */
  boolean awaitLive(Identity identity, AtomicBoolean stopping) throws InterruptedException {
    while (!identity.isLost()) {
      if (!keepAlive.remaining(identity.row).isZero()) {
        return true;
      }
      if (stopping.get()) {
        return false;
      }
      Thread.sleep(10);
    }
    return false;
  }

  /** Leaves the row to expire if jobs are left under it. */
  synchronized void end() throws SQLException {
    if (current != null && !current.isLost()) {
      Identity last = current;
      transactions.execute(WRITE, tx -> sql.unregister(tx.connection(), last.claimant.id()));
      keepAlive.remove(last.row);
    }
    current = null;
  }

  /** Ends the heartbeats. */
  @Override
  public void close() {
    keepAlive.close();
  }
}

package dev.pgbelay.jobqueue;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.internal.Claimant;
import dev.pgbelay.core.internal.Fence;
import dev.pgbelay.core.internal.LeaseKeepAlive;
import io.micrometer.core.instrument.MeterRegistry;
import java.sql.SQLException;
import java.time.Duration;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicBoolean;
import javax.sql.DataSource;
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
    private final Claimant claimant = Claimant.random();
    private final Fence row = claimant.next();
    private final AtomicBoolean lost = new AtomicBoolean();

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

  private final Transactions transactions;
  private final WorkerSql sql;
  private final String node;
  private final Duration lease;
  private final WorkMeters meters;
  private final LeaseKeepAlive keepAlive;
  private volatile @Nullable Identity current;

  Registration(
      String name,
      Transactions transactions,
      DataSource heartbeats,
      WorkerSql sql,
      String node,
      Duration lease,
      WorkMeters meters,
      @Nullable MeterRegistry registry) {
    this.transactions = transactions;
    this.sql = sql;
    this.node = node;
    this.lease = lease;
    this.meters = meters;
    this.keepAlive =
        new LeaseKeepAlive(
            "jobs-" + name + "-heartbeat",
            heartbeats,
            lease,
            (connection, workers) -> sql.renew(connection, workers, lease),
            registry);
  }

  /** The identity to claim under, registered by now. */
  synchronized Identity identity() throws SQLException {
    if (current != null && !current.isLost()) {
      return current;
    }
    Identity next = new Identity();
    long asked = System.nanoTime();
    transactions.execute(
        WRITE, tx -> sql.register(tx.connection(), next.claimant.id(), node, lease));
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

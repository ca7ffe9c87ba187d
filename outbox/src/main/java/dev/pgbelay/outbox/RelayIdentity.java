package dev.pgbelay.outbox;

import dev.pgbelay.core.Commit;
import dev.pgbelay.core.CommitPosition;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.internal.Claimant;
import dev.pgbelay.core.internal.Fence;
import dev.pgbelay.core.internal.LeaseKeepAlive;
import java.sql.SQLException;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Under which identity this process delivers. There is one row for it, kept alive apart from the
 * work; when others have given the process up, it begins anew under another one.
 */
final class RelayIdentity implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(RelayIdentity.class);
  private static final TxOptions WRITE = TxOptions.forPath("outbox-relay");

  private final RelayOptions options;
  private final Transactions transactions;
  private final RelaySql sql;
  private final LeaseKeepAlive keepAlive;
  private final Runnable dropped;
  private volatile @Nullable Identity current;

  /** One identity, from its registration to its loss. */
  record Identity(
      Claimant claimant, Fence row, String database, @Nullable CommitPosition registeredAt) {
    UUID id() {
      return claimant.id();
    }
  }

  /**
   * @param states what heartbeats tell others of the destinations
   * @param dropped called once for each identity that is lost, by whoever finds that out
   */
  RelayIdentity(
      RelayOptions options, RelaySql sql, Supplier<List<RelayState>> states, Runnable dropped) {
    this.options = options;
    this.transactions = options.transactions();
    this.sql = sql;
    this.dropped = dropped;
    this.keepAlive =
        new LeaseKeepAlive(
            "outbox-" + options.name() + "-heartbeat",
            options.heartbeats(),
            options.lease(),
            (connection, relays) -> sql.renew(connection, relays, options.lease(), states.get()),
            options.registry());
  }

  /** The identity to claim under; null until {@link #begin}. */
  @Nullable Identity current() {
    return current;
  }

  /** Registers a new one; there must be none. */
  Identity begin(Short[] destinations) throws SQLException {
    Claimant claimant = Claimant.random();
    long asked = System.nanoTime();
    Commit<String> commit =
        transactions.commit(
            WRITE,
            tx -> {
              sql.register(
                  tx.connection(), claimant.id(), options.node(), options.lease(), destinations);
              return sql.database(tx.connection());
            });
    Identity next =
        new Identity(claimant, claimant.next(), commit.value(), commit.position().orElse(null));
    current = next;
    keepAlive.add(next.row(), asked, () -> lost(next.id(), "was not heard of in time"));
    return next;
  }

  /** Whether it is known that nobody has taken over; not after the process was stopped. */
  boolean isLive(UUID claimant) {
    Identity identity = current;
    return identity != null
        && identity.id().equals(claimant)
        && !keepAlive.remaining(identity.row()).isZero();
  }

  /** Whether it delivers what is in a database of that name. */
  boolean isIn(String database) {
    Identity identity = current;
    return identity != null && identity.database().equals(database);
  }

  /** Whether something was committed where it is registered; false where that is not known. */
  boolean isInClusterOf(Optional<CommitPosition> position) {
    Identity identity = current;
    CommitPosition registered = identity == null ? null : identity.registeredAt();
    return registered != null
        && position.isPresent()
        && position.get().systemIdentifier() == registered.systemIdentifier();
  }

  /** Somebody has retired it. */
  void retired(UUID claimant) {
    lost(claimant, "was retired by another");
  }

  /**
   * Is told where in the log a look was. After a fail-over the server may have forgotten what it
   * was told, such as that messages were delivered or held: all of it is read again.
   */
  void lookedAt(@Nullable CommitPosition position) {
    Identity identity = current;
    if (identity == null
        || position == null
        || identity.registeredAt() == null
        || identity.registeredAt().isComparableWith(position)) {
      return;
    }
    lost(identity.id(), "finds the server on timeline " + position.timeline());
  }

  private void lost(UUID claimant, String why) {
    synchronized (this) {
      Identity identity = current;
      if (identity == null || !identity.id().equals(claimant)) {
        return;
      }
      current = null;
      keepAlive.remove(identity.row());
    }
    LOG.warn(
        "relay '{}' {}: it forgets what it has in memory and begins anew", options.name(), why);
    dropped.run();
  }

  /** Nothing that was begun under it can be written any more. */
  void remove(UUID claimant) throws SQLException {
    transactions.execute(WRITE, tx -> sql.remove(tx.connection(), claimant));
  }

  /** For good, with nothing left to write. */
  void end() throws SQLException {
    Identity last;
    synchronized (this) {
      last = current;
      current = null;
    }
    if (last != null) {
      keepAlive.remove(last.row());
      remove(last.id());
    }
  }

  /** Ends the heartbeats. */
  @Override
  public void close() {
    keepAlive.close();
  }
}

package dev.pgbelay.lock.lease;

import dev.pgbelay.core.internal.Fence;
import dev.pgbelay.core.internal.LeaseKeepAlive;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The leases that are kept alive, and what is said when one is lost. Thread-safe. */
final class KeptLeases {
  private static final Logger LOG = LoggerFactory.getLogger(LeaseLock.class);

  private final LeaseSql sql;
  private final Duration duration;
  private final LeaseMeters meters;
  private final @Nullable Consumer<? super Lease> onLost;
  private final LeaseKeepAlive keepAlive;
  private final Map<Fence, String> names = new ConcurrentHashMap<>();

  KeptLeases(LeaseLock.Builder builder, LeaseSql sql) {
    this.sql = sql;
    this.duration = builder.duration;
    this.onLost = builder.onLost;
    this.keepAlive =
        new LeaseKeepAlive(
            "lease-" + builder.name, builder.keepAlive, duration, this::renewAll, builder.registry);
    this.meters =
        builder.registry == null
            ? LeaseMeters.NONE
            : new LeaseMeters.OfMicrometer(builder.registry, builder.name, keepAlive);
  }

  LeaseMeters meters() {
    return meters;
  }

  /**
   * @param asked {@link System#nanoTime} before it was asked for
   */
  void add(Lease lease, Fence fence, long asked) {
    names.put(fence, lease.name());
    keepAlive.add(fence, asked, lease::lost);
  }

  void renewed(Fence fence, long asked) {
    keepAlive.renewed(fence, asked);
  }

  Duration remaining(Fence fence) {
    return keepAlive.remaining(fence);
  }

  private LeaseKeepAlive.Renewed renewAll(Connection connection, List<Fence> fences)
      throws SQLException {
    List<Fence> known = new ArrayList<>();
    List<String> their = new ArrayList<>();
    for (Fence fence : fences) {
      String name = names.get(fence); // none once it was given back
      if (name != null) {
        known.add(fence);
        their.add(name);
      }
    }
    return sql.renewAll(connection, their, known, duration);
  }

  void forget(Fence fence) {
    keepAlive.remove(fence);
    names.remove(fence);
  }

  void lost(Lease lease, Fence fence) {
    forget(fence);
    meters.lost();
    LOG.warn("{} was lost: somebody else had it, or it was taken away", lease);
    if (onLost != null) {
      Thread teller = new Thread(() -> tell(lease), "pgbelay-lease-lost");
      teller.setDaemon(true);
      teller.start();
    }
  }

  private void tell(Lease lease) {
    try {
      Objects.requireNonNull(onLost).accept(lease);
    } catch (Throwable e) { // nothing above it would tell of it
      LOG.warn("{}: what was to be told of its loss failed", lease, e);
    }
  }

  void close() {
    keepAlive.close();
  }
}

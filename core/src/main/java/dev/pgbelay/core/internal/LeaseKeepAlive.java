package dev.pgbelay.core.internal;

import dev.pgbelay.core.background.BackgroundLoop;
import dev.pgbelay.core.background.Pass;
import io.micrometer.core.instrument.MeterRegistry;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;

/**
 * Renews the leases of one process, all of them in one statement, three times per lease duration,
 * on a {@code DataSource} of its own: the pool that the leased work uses may be exhausted by it.
 *
 * <p>A renewal that fails is tried again until it succeeds or the lease is lost; nothing here ends
 * the work. What a holder may still write is decided by the fence in the database, never by what is
 * known here. Thread-safe. The thread starts with the first lease and ends with {@link #close}.
 */
public final class LeaseKeepAlive implements AutoCloseable {
  /** How a module renews its leases. */
  @FunctionalInterface
  public interface Renewal {
    /**
     * Renews what is still held, by the database's clock.
     *
     * @param connection in autocommit
     */
    Renewed renew(Connection connection, List<Fence> fences) throws SQLException;
  }

  /**
   * What became of the leases. One that is in neither set is tried again.
   *
   * @param renewed those that last from now on
   * @param lost those that somebody else holds by now, or nobody
   */
  public record Renewed(Set<Fence> renewed, Set<Fence> lost) {
    /**
     * Runs a renewal, for no longer than until the next one is due.
     *
     * @param renew with all values bound; its rows are the fence (two columns), whether it was
     *     renewed, and whether somebody is at it, so that it has to be tried again
     */
    public static Renewed by(PreparedStatement renew, Duration lease) throws SQLException {
      Set<Fence> renewed = new HashSet<>();
      Set<Fence> lost = new HashSet<>();
      renew.setQueryTimeout((int) Math.max(1, lease.toSeconds() / 3));
      try (ResultSet row = renew.executeQuery()) {
        while (row.next()) {
          Fence fence = Fence.read(row, 1).orElseThrow();
          if (row.getBoolean(3)) {
            renewed.add(fence);
          } else if (!row.getBoolean(4)) {
            lost.add(fence);
          }
        }
      }
      return new Renewed(renewed, lost);
    }
  }

  private static final class Kept {
    private final Runnable lost;
    private volatile long renewedAt;

    private Kept(Runnable lost, long renewedAt) {
      this.lost = lost;
      this.renewedAt = renewedAt;
    }
  }

  private final DataSource dataSource;
  private final Duration lease;
  private final Renewal renewal;
  private final BackgroundLoop loop;
  private final Map<Fence, Kept> kept = new ConcurrentHashMap<>();
  private boolean started;

  /**
   * @param name of the thread and its metrics
   * @param lease how long a renewal holds
   */
  public LeaseKeepAlive(
      String name,
      DataSource dataSource,
      Duration lease,
      Renewal renewal,
      @Nullable MeterRegistry registry) {
    this.dataSource = dataSource;
    this.lease = lease;
    this.renewal = renewal;
    Duration pause = atLeast(lease.dividedBy(3));
    Duration retry = atLeast(lease.dividedBy(20));
    this.loop =
        BackgroundLoop.builder(name, this::renewAll)
            .idlePause(pause, pause)
            .failurePause(retry, pause)
            .closeDeadline(Duration.ofSeconds(5))
            .meterRegistry(registry)
            .build();
  }

  private static Duration atLeast(Duration pause) {
    Duration least = Duration.ofMillis(10);
    return pause.compareTo(least) < 0 ? least : pause;
  }

  /**
   * Keeps the lease alive until it is removed or lost.
   *
   * @param asked {@link System#nanoTime} before the lease was asked for, from when it is counted
   * @param lost called once, by the keep-alive's thread, when somebody else is found to hold it
   * @throws dev.pgbelay.core.PgBelayException if the thread could not be started, as where another
   *     of its name reports to the same registry; then it is not kept alive
   */
  public void add(Fence fence, long asked, Runnable lost) {
    start();
    kept.put(fence, new Kept(lost, asked));
  }

  /**
   * Starts the thread before the first lease does, so that what is wrong with it is known before
   * anything is claimed.
   *
   * @throws dev.pgbelay.core.PgBelayException as {@link #add} does
   */
  public void start() {
    synchronized (loop) {
      if (!started) {
        loop.start();
        started = true;
      }
    }
  }

  /** Whether it was kept alive up to now. */
  public boolean remove(Fence fence) {
    return kept.remove(fence) != null;
  }

  /** Somebody renewed it otherwise. */
  public void renewed(Fence fence, long asked) {
    Kept one = kept.get(fence);
    if (one != null) {
      one.renewedAt = asked;
    }
  }

  /** How long the lease lasts at least, as far as it is known here; zero if it is not kept. */
  public Duration remaining(Fence fence) {
    Kept one = kept.get(fence);
    if (one == null) {
      return Duration.ZERO;
    }
    Duration left = lease.minusNanos(System.nanoTime() - one.renewedAt);
    return left.isNegative() ? Duration.ZERO : left;
  }

  public int count() {
    return kept.size();
  }

  /** One renewal of everything, on the calling thread. */
  Pass renewAll() throws SQLException {
    List<Fence> fences = new ArrayList<>(kept.keySet());
    if (fences.isEmpty()) {
      return Pass.idle();
    }
    long asked = System.nanoTime();
    Renewed result;
    try (Connection connection = dataSource.getConnection()) {
      if (!connection.getAutoCommit()) {
        connection.setAutoCommit(true);
      }
      result = renewal.renew(connection, fences);
    }
    // What was renewed first: whoever is told of a loss may throw.
    for (Fence fence : result.renewed()) {
      renewed(fence, asked);
    }
    for (Fence fence : result.lost()) {
      Kept one = kept.remove(fence);
      if (one != null) {
        one.lost.run();
      }
    }
    return Pass.idle();
  }

  /** Ends the thread; leases that are still held end by themselves. */
  @Override
  public void close() {
    loop.close();
  }
}

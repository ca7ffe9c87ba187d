package dev.pgbelay.core.wakeup;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.background.Pass;
import dev.pgbelay.core.internal.PgDriver;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.UUID;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Keeps one connection that listens, and makes sure that something is heard on it. */
final class Listener {
  private static final Logger LOG = LoggerFactory.getLogger(Listener.class);

  /** So long one read waits at most, so that a stop need not wait longer. */
  private static final Duration SLICE = Duration.ofMillis(200);

  /** In front of a probe's payload; no topic begins with it. */
  private static final String PROBE = "\u0001";

  private final DataSource dataSource;
  private final String channel;
  private final Duration probeInterval;
  private final Duration probeTimeout;
  private final Consumer<String> woken;
  private final WakeUpMeters meters;
  private BooleanSupplier stopping = () -> false;
  private volatile @Nullable Connection connection;
  private volatile boolean healthy;
  private volatile long heardAt;

  Listener(
      DataSource dataSource,
      String channel,
      Duration probeInterval,
      Duration probeTimeout,
      Consumer<String> woken,
      WakeUpMeters meters) {
    this.dataSource = dataSource;
    this.channel = channel;
    this.probeInterval = probeInterval;
    this.probeTimeout = probeTimeout;
    this.woken = woken;
    this.meters = meters;
  }

  void stopsWhen(BooleanSupplier isStopping) {
    this.stopping = isStopping;
  }

  boolean isHealthy() {
    return healthy
        && System.nanoTime() - heardAt
            <= probeInterval.plus(probeTimeout).plus(probeTimeout).toNanos();
  }

  /** From one probe to the next. */
  Pass pass() throws SQLException {
    try {
      Connection current = connected();
      String probe = PROBE + UUID.randomUUID();
      try (Connection other = dataSource.getConnection()) {
        WakeUpSql.send(other, channel, List.of(probe));
      }
      long sentAt = System.nanoTime();
      if (!hear(current, sentAt + probeTimeout.toNanos(), probe)) {
        if (stopping.getAsBoolean()) {
          return Pass.idle();
        }
        throw new PgBelayException(
            "a probe on channel "
                + channel
                + " was not heard within "
                + probeTimeout
                + ": the connection is dead, or the DataSource does not lead directly to the"
                + " server; until one is heard, pollers poll");
      }
      heardAt = System.nanoTime();
      healthy = true;
      hear(current, sentAt + probeInterval.toNanos(), null);
      return stopping.getAsBoolean() ? Pass.idle() : Pass.worked(1);
    } catch (SQLException | RuntimeException e) {
      healthy = false;
      disconnect();
      throw e;
    }
  }

  /** Passes on what comes; true as soon as the awaited payload is among it. */
  private boolean hear(Connection current, long until, @Nullable String awaited)
      throws SQLException {
    long left = until - System.nanoTime();
    while (left > 0 && !stopping.getAsBoolean()) {
      Duration slice = Duration.ofNanos(Math.min(left, SLICE.toNanos()));
      boolean heard = false;
      for (String payload : PgDriver.notifications(PgDriver.unwrap(current), channel, slice)) {
        heard |= payload.equals(awaited);
        if (!payload.startsWith(PROBE)) {
          meters.heard();
          woken.accept(payload);
        }
      }
      if (heard) {
        return true;
      }
      left = until - System.nanoTime();
    }
    return false;
  }

  private Connection connected() throws SQLException {
    Connection current = connection;
    if (current != null) {
      return current;
    }
    Connection fresh = dataSource.getConnection();
    try {
      WakeUpSql.listen(fresh, channel);
    } catch (SQLException | RuntimeException e) {
      fresh.close();
      throw e;
    }
    connection = fresh;
    meters.connected();
    woken.accept(""); // whatever was announced while nobody listened
    return fresh;
  }

  void disconnect() {
    Connection last = connection;
    connection = null;
    healthy = false;
    if (last == null) {
      return;
    }
    try (last) {
      if (last.isValid(1)) {
        WakeUpSql.unlisten(last);
      } else {
        last.abort(Runnable::run);
      }
    } catch (SQLException e) {
      LOG.debug("a listening connection was closed with an error", e);
    }
  }
}

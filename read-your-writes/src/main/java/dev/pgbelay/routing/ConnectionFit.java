package dev.pgbelay.routing;

import dev.pgbelay.core.CommitPosition;
import dev.pgbelay.core.Failures;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.internal.PgDriver;
import dev.pgbelay.routing.Floor.Shown;
import dev.pgbelay.routing.SeenConnections.Seen;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import org.jooq.exception.DataAccessException;
import org.postgresql.PGConnection;

/** Whether a pooled connection leads where its node was chosen for. Safe for several threads. */
final class ConnectionFit {
  private static final Duration PAUSE = Duration.ofMillis(5);

  private final Fleet fleet;
  private final SeenConnections connections;
  private final RoutingOptions options;

  ConnectionFit(Fleet fleet, SeenConnections connections, RoutingOptions options) {
    this.fleet = fleet;
    this.connections = connections;
    this.options = options;
  }

  /**
   * What is known of a connection that does.
   *
   * @throws NotFitException if it does not
   */
  Seen require(Connection connection, Choice choice) throws SQLException {
    if (!choice.reason().isReplica()) {
      return requirePrimary(connection, choice.node());
    }
    Seen seen = look(connection, choice.node());
    Floor floor = choice.floor();
    if (floor != null) {
      requireCovered(seen, choice.sight(), floor);
    }
    return seen;
  }

  /** What answers on a connection, which has to be of this cluster. */
  Seen look(Connection connection, Member node) throws SQLException {
    Seen seen = connections.of(connection);
    long found = seen.server().systemIdentifier();
    if (found != fleet.systemIdentifier()) {
      throw new RoutingException(
          RoutingException.Kind.MISCONFIGURED,
          "the pool of node '"
              + node.name()
              + "' leads to cluster "
              + Long.toUnsignedString(found)
              + ", its probes to cluster "
              + Long.toUnsignedString(fleet.systemIdentifier())
              + ": nothing was run. Give both the same server");
    }
    return seen;
  }

  /** The same for the primary of the newest timeline; any other connection is given up. */
  Seen requirePrimary(Connection connection, Member node) throws SQLException {
    Seen seen = look(connection, node);
    if (!isOfPrimary(seen)) {
      SeenConnections.evict(connection);
      throw new NotFitException(
          "is " + (seen.recovering() ? "a replica" : "of timeline " + seen.primaryTimeline()),
          System.nanoTime());
    }
    return seen;
  }

  /** Whether it led to the primary of the newest timeline that is known by now. */
  boolean isOfPrimary(Seen seen) {
    return !seen.recovering() && seen.primaryTimeline() == fleet.timelines().newest();
  }

  /** Whether a connection that is kept shows all that, by what its node says now. */
  boolean covers(Seen seen, NodeSight sight, Floor floor) {
    try {
      requireCovered(seen, sight, floor);
      return true;
    } catch (NotFitException e) {
      return false;
    }
  }

  /**
   * After work on a replica: where the server has said with its answers that it is none any more, a
   * newer timeline has begun there, and what was shown may be of it. Its probe may not know yet, or
   * never. Sends nothing.
   */
  void noticePromotion(PGConnection driver, Seen seen, Choice choice) {
    if (choice.reason().isReplica()
        && seen.pid() != 0
        && !PgDriver.isStandby(driver).orElse(true)) {
      fleet.seen(Math.max(seen.primaryTimeline(), choice.sight().timeline() + 1));
    }
  }

  /**
   * Whether work failed because of a connection that is not its own: that says nothing of the node,
   * and other nodes would not mend it.
   */
  static boolean isOfOtherConnection(PGConnection driver, Throwable failure) {
    return switch (Failures.classify(failure)) {
      case CANNOT_CONNECT, POOL_EXHAUSTED -> true;
      case CONNECTION_LOST -> !PgDriver.isClosed(driver);
      default -> false;
    };
  }

  /** Whether the connection was lost before the server had answered anything: it has shown none. */
  static boolean isLostUnused(PGConnection driver) {
    return PgDriver.isClosed(driver) && PgDriver.state(driver) == PgDriver.State.IDLE;
  }

  /** To be kept before the work: a pool's proxy does not lead to it any more once it is lost. */
  static PGConnection driverOf(Tx tx) {
    try {
      return PgDriver.unwrap(tx.connection());
    } catch (SQLException e) {
      throw new DataAccessException("the node's connection is gone", e);
    }
  }

  /** Also a replica that has crashed and is back says so: it may stand further back then. */
  void requireCovered(Seen seen, NodeSight sight, Floor floor) {
    if (!options.compares()) {
      return;
    }
    if (!seen.server().equals(sight.server())) {
      throw new NotFitException("leads to another server or start of it", seen.seenNanos());
    }
    for (Shown shown : floor.shown()) {
      if (seen.seenNanos() - shown.untilNanos() > 0) {
        throw new NotFitException("is newer than what was shown", shown.untilNanos());
      }
    }
    if (floor.positions().isEmpty() || sight.askedNanos() - seen.seenNanos() >= 0) {
      return;
    }
    CommitPosition first =
        new CommitPosition(seen.server().systemIdentifier(), sight.timeline(), seen.lsn());
    if (!Settlement.covered(fleet.timelines(), first, floor.positions())) {
      throw new NotFitException("is newer than what its node said", seen.seenNanos());
    }
  }

  /** Until the node has said something that settles it. */
  void awaitSight(Member node, NotFitException e, RouteState state) {
    long begun = System.nanoTime();
    if (!awaitSight(node, e)) {
      state.failed().add(node);
    }
    state.waited(System.nanoTime() - begun);
  }

  /** Whether it has, in the time that a read may wait. */
  boolean awaitSight(Member node, NotFitException e) {
    return node.monitor()
        .await(sight -> sight.askedNanos() - e.untilNanos() >= 0, options.maxWait().toNanos());
  }

  /** Waits while a fail-over is under way. */
  Member primary(long begun) {
    while (true) {
      Member primary = fleet.primaryOrNull();
      if (primary != null) {
        return primary;
      }
      if (Thread.currentThread().isInterrupted() || isTooLate(begun)) {
        return fleet.primary();
      }
      pause();
    }
  }

  boolean isTooLate(long begun) {
    return System.nanoTime() - begun > options.failoverWait().toNanos();
  }

  static void pause() {
    try {
      Thread.sleep(PAUSE.toMillis());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  static RoutingException noneFit(NotFitException e) {
    return new RoutingException(
        RoutingException.Kind.NO_REPLICA,
        "connections kept leading elsewhere than their nodes' probes do: " + e.getMessage(),
        e);
  }

  RoutingException noPrimaryBehind(Member primary, NotFitException e) {
    return new RoutingException(
        RoutingException.Kind.NO_PRIMARY,
        "connections of node '"
            + primary.name()
            + "' lead to no primary of timeline "
            + fleet.timelines().newest()
            + ": nothing was committed",
        e);
  }
}

package dev.pgbelay.routing;

import dev.pgbelay.core.FailureKind;
import dev.pgbelay.core.Failures;
import dev.pgbelay.routing.RouteDecision.Reason;
import dev.pgbelay.routing.SeenConnections.Seen;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** Lends connections where the router sends them. Safe for several threads. */
final class ConnectionLender implements NodeConnections {
  private final Fleet fleet;
  private final Router router;
  private final Settlement settlement;
  private final ConnectionFit fit;
  private final RoutingMeters meters;
  private final PoolerLook poolerLook;

  ConnectionLender(
      Fleet fleet, Router router, Settlement settlement, ConnectionFit fit, RoutingMeters meters) {
    this.fleet = fleet;
    this.router = router;
    this.settlement = settlement;
    this.fit = fit;
    this.meters = meters;
    this.poolerLook = new PoolerLook(fit, router, settlement);
  }

  Router router() {
    return router;
  }

  Settlement settlement() {
    return settlement;
  }

  Fleet fleet() {
    return fleet;
  }

  ConnectionFit fit() {
    return fit;
  }

  RoutingMeters meters() {
    return meters;
  }

  PoolerLook poolerLook() {
    return poolerLook;
  }

  @Override
  public Lent forRead(Session session, ReadOptions read) throws SQLException {
    fleet.requireOwn(session);
    return routed(null, state -> router.choose(session, read, state));
  }

  @Override
  public Lent forAnyReplica(Duration maxStaleness, ReadOptions read) throws SQLException {
    return routed(maxStaleness, state -> router.within(maxStaleness, read, state));
  }

  private Lent routed(@Nullable Duration maxStaleness, Function<RouteState, Choice> next)
      throws SQLException {
    fleet.requireOpen();
    RouteState state = new RouteState();
    while (true) {
      Choice choice = next.apply(state);
      boolean mayTryAgain = state.attempt() < Reads.MOST_ATTEMPTS;
      try {
        return lent(choice, maxStaleness);
      } catch (NotFitException e) {
        if (!mayTryAgain) {
          throw ConnectionFit.noneFit(e);
        }
        fit.awaitSight(choice.node(), e, state);
      } catch (SQLException e) {
        if (!mayTryAgain || !choice.reason().isReplica()) {
          throw e;
        }
        state.failed().add(choice.node());
      }
    }
  }

  private Lent lent(Choice choice, @Nullable Duration maxStaleness) throws SQLException {
    Member node = choice.node();
    long begun = System.nanoTime();
    Connection connection = null;
    try {
      connection = node.node().pool().getConnection();
      Seen seen = fit.require(connection, choice);
      endLook(connection);
      return new LentConnection(
          this, choice, connection, seen, Math.max(1, System.nanoTime() - begun), maxStaleness);
    } catch (NotFitException e) {
      node.notRun();
      router.over(choice);
      close(connection, e);
      throw e;
    } catch (Throwable e) {
      FailureKind kind = Failures.classify(e);
      node.failed(kind, e, System.nanoTime() - begun);
      router.over(choice);
      close(connection, e);
      throw e;
    }
  }

  @Override
  public Lent forWrite() throws SQLException {
    fleet.requireOpen();
    long begun = System.nanoTime();
    while (true) {
      Member primary = fit.primary(begun);
      NodeSight sight = fleet.believed(primary);
      if (sight == null) {
        ConnectionFit.pause();
        continue;
      }
      Connection connection = null;
      try {
        connection = primary.node().pool().getConnection();
        Seen seen = fit.requirePrimary(connection, primary);
        endLook(connection);
        long waited = System.nanoTime() - begun;
        Choice choice = new Choice(primary, sight, null, Reason.PRIMARY_DECLARED, waited, false);
        return new LentConnection(this, choice, connection, seen, 0, null);
      } catch (NotFitException e) {
        close(connection, e);
        if (fit.isTooLate(begun)) {
          throw fit.noPrimaryBehind(primary, e);
        }
        ConnectionFit.pause();
      } catch (Throwable e) {
        close(connection, e);
        throw e;
      }
    }
  }

  /** A pool may give its connections out with autocommit off. */
  static void endLook(Connection connection) throws SQLException {
    if (!connection.getAutoCommit()) {
      connection.rollback();
    }
  }

  private static void close(@Nullable Connection connection, Throwable failure) {
    try {
      if (connection != null) {
        connection.close();
      }
    } catch (SQLException e) {
      failure.addSuppressed(e);
    }
  }
}

package dev.pgbelay.routing;

import dev.pgbelay.routing.SeenConnections.Seen;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Where a transaction of a pooler's connection would run: each one may be on another of the
 * server's sessions, and the server may have crashed since the one before. Safe for several
 * threads.
 */
final class PoolerLook {
  private static final int MOST_LOOKS = 3;

  private final ConnectionFit fit;
  private final Router router;
  private final Settlement settlement;

  PoolerLook(ConnectionFit fit, Router router, Settlement settlement) {
    this.fit = fit;
    this.router = router;
    this.settlement = settlement;
  }

  /**
   * With autocommit off it begins the transaction, which then is where it looked.
   *
   * @return null if that is not where the work was routed; nothing is left open then
   */
  @Nullable Seen before(Connection connection, Choice choice, Optional<Session> session)
      throws SQLException {
    if (!choice.reason().isReplica()) {
      try {
        return fit.requirePrimary(connection, choice.node());
      } catch (NotFitException e) {
        return null;
      }
    }
    for (int looks = 1; looks <= MOST_LOOKS; looks++) {
      Seen seen = fit.look(connection, choice.node());
      NodeSight sight = router.replica(choice.node(), Set.of());
      if (sight == null || choice.floor() == null || session.isEmpty()) {
        return seen;
      }
      try {
        fit.requireCovered(seen, sight, settlement.settled(session.get()));
        return seen;
      } catch (NotFitException e) {
        ConnectionLender.endLook(connection);
        if (!fit.awaitSight(choice.node(), e)) {
          return null;
        }
      }
    }
    return null;
  }
}

package dev.pgbelay.routing;

import dev.pgbelay.core.CommitPosition;
import dev.pgbelay.routing.Floor.Shown;
import java.time.Duration;
import java.util.Optional;

/** What sessions take along to others. Safe for several threads. */
final class Tokens {
  /** No replica ever has replayed that far. */
  private static final long BEYOND_ALL = -1L;

  private final Fleet fleet;
  private final Router router;
  private final Duration maxWait;

  Tokens(Fleet fleet, Router router, Duration maxWait) {
    this.fleet = fleet;
    this.router = router;
    this.maxWait = maxWait;
  }

  void join(Session session, ConsistencyToken token) {
    CommitPosition position = token.position();
    if (position.systemIdentifier() != fleet.systemIdentifier()) {
      throw new RoutingException(
          RoutingException.Kind.FOREIGN_TOKEN,
          "the token is of cluster "
              + Long.toUnsignedString(position.systemIdentifier())
              + ", this is cluster "
              + Long.toUnsignedString(fleet.systemIdentifier())
              + ": keep tokens of several clusters apart, or begin with sessionOnPrimary()");
    }
    fleet.seen(position.timeline());
    session.change(floor -> router.raised(floor, position));
  }

  Optional<ConsistencyToken> of(Session session) {
    Floor floor = router.settled(session);
    long until = System.nanoTime() + maxWait.toNanos();
    while (!floor.shown().isEmpty()) {
      Shown shown = floor.shown().get(0);
      long left = until - System.nanoTime();
      if (left <= 0 || !bounded(shown, left)) {
        return Optional.of(beyondAll());
      }
      floor = router.settled(session);
    }
    if (!floor.unknown().isEmpty() || floor.needsPrimary()) {
      return Optional.of(beyondAll());
    }
    return Optional.ofNullable(floor.position()).map(ConsistencyToken::of);
  }

  private boolean bounded(Shown shown, long nanos) {
    try {
      return router.awaitBound(shown, nanos);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return false;
    }
  }

  private ConsistencyToken beyondAll() {
    return ConsistencyToken.of(
        new CommitPosition(
            fleet.systemIdentifier(), Math.max(1, fleet.timelines().newest()), BEYOND_ALL));
  }
}

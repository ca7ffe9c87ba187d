package dev.pgbelay.routing;

import dev.pgbelay.core.CommitPosition;
import dev.pgbelay.routing.Floor.Shown;
import java.time.Duration;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

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

  /** Of a token that stands for a commit whose position nobody knew: only the primary has it. */
  static boolean isBeyondAll(@Nullable CommitPosition position) {
    return position != null && position.lsn() == BEYOND_ALL;
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
    long until = System.nanoTime() + maxWait.toNanos();
    Floor floor = asOfPrimary(session, router.settled(session));
    while (!floor.shown().isEmpty() || !floor.unknown().isEmpty()) {
      long left = until - System.nanoTime();
      if (left <= 0 || !settles(session, floor, left)) {
        return Optional.of(beyondAll());
      }
      floor = router.settled(session);
    }
    if (floor.needsPrimary()) {
      return Optional.of(beyondAll());
    }
    return Optional.ofNullable(floor.position()).map(ConsistencyToken::of);
  }

  /** Whatever a token could not tell, the primary has by now: what it says next bounds that. */
  private Floor asOfPrimary(Session session, Floor floor) {
    Member primary = fleet.primaryOrNull();
    NodeSight sight = primary == null ? null : primary.sight();
    if (!floor.needsPrimary() || primary == null || sight == null) {
      return floor;
    }
    Shown now = new Shown(primary, sight.server(), sight.timeline(), System.nanoTime());
    session.change(before -> before.with(now).answeredByPrimary());
    return router.settled(session);
  }

  private boolean settles(Session session, Floor floor, long nanos) {
    try {
      return floor.shown().isEmpty()
          ? awaitCommits(session, nanos)
          : router.awaitBound(floor.shown().get(0), nanos);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return false;
    }
  }

  /** Until the primary says what became of COMMITs that got no answer. */
  private boolean awaitCommits(Session session, long nanos) throws InterruptedException {
    Member primary = fleet.primaryOrNull();
    return primary != null
        && primary
            .monitor()
            .await(
                any -> session.floor().unknown().stream().allMatch(one -> one.covered() != null),
                nanos);
  }

  private ConsistencyToken beyondAll() {
    return ConsistencyToken.of(
        new CommitPosition(
            fleet.systemIdentifier(), Math.max(1, fleet.timelines().newest()), BEYOND_ALL));
  }
}

package dev.pgbelay.routing;

import dev.pgbelay.core.CommitPosition;
import dev.pgbelay.routing.Floor.Shown;
import java.time.Duration;
import java.util.Optional;

/** What sessions take along to others. Safe for several threads. */
final class Tokens {
  private final Fleet fleet;
  private final Settlement settlement;
  private final Duration maxWait;

  Tokens(Fleet fleet, Settlement settlement, Duration maxWait) {
    this.fleet = fleet;
    this.settlement = settlement;
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
    session.change(floor -> floor.raised(position));
  }

  Optional<ConsistencyToken> of(Session session) {
    long until = System.nanoTime() + maxWait.toNanos();
    if (fleet.primaryOrNull() != null) {
      settlement.judge(session);
    }
    Floor floor = asOfPrimary(session, settlement.settled(session));
    while (!floor.shown().isEmpty() || !floor.unknown().isEmpty()) {
      long left = until - System.nanoTime();
      if (left <= 0 || !settles(session, floor, left)) {
        return Optional.of(beyondAll(floor));
      }
      floor = settlement.settled(session);
    }
    if (floor.needsPrimary() || floor.positions().size() > 1) {
      return Optional.of(beyondAll(floor));
    }
    return Optional.ofNullable(floor.newest()).map(ConsistencyToken::of);
  }

  /** Whatever a token could not tell, the primary has by now: what it says next bounds that. */
  private Floor asOfPrimary(Session session, Floor floor) {
    Member primary = fleet.primaryOrNull();
    NodeSight sight = primary == null ? null : primary.sight();
    if (!floor.needsPrimary() || primary == null || sight == null) {
      return floor;
    }
    session.change(before -> before.answeredBy(primary, sight));
    return settlement.settled(session);
  }

  private boolean settles(Session session, Floor floor, long nanos) {
    return floor.shown().isEmpty()
        ? awaitCommits(session, nanos)
        : settlement.awaitBound(floor.shown().get(0), nanos);
  }

  /** Until the primary says what became of COMMITs that got no answer. */
  private boolean awaitCommits(Session session, long nanos) {
    Member primary = fleet.primaryOrNull();
    return primary != null
        && primary
            .monitor()
            .await(
                any -> session.floor().unknown().stream().allMatch(one -> one.covered() != null),
                nanos);
  }

  /** Of the oldest timeline that is in doubt, so that who has it is told of its loss. */
  private ConsistencyToken beyondAll(Floor floor) {
    int timeline = Math.max(1, fleet.timelines().newest());
    for (CommitPosition position : floor.positions()) {
      if (fleet.timelines().mayBeLost(position)) {
        timeline = Math.min(timeline, position.timeline());
      }
    }
    for (Shown shown : floor.shown()) {
      timeline = Math.min(timeline, shown.timeline());
    }
    return ConsistencyToken.of(
        new CommitPosition(fleet.systemIdentifier(), timeline, Floor.BEYOND_ALL));
  }
}

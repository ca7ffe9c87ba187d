package dev.pgbelay.routing;

import dev.pgbelay.core.CommitPosition;
import dev.pgbelay.routing.Floor.Shown;
import java.util.List;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Turns what sessions wrote and were shown into positions as soon as nodes have said enough, and
 * tells of those that may be lost. Safe for several threads.
 */
final class Settlement {
  private static final Logger LOG = LoggerFactory.getLogger(Settlement.class);

  private final Fleet fleet;
  private final RoutingOptions options;
  private final RoutingMeters meters;

  Settlement(Fleet fleet, RoutingOptions options, RoutingMeters meters) {
    this.fleet = fleet;
    this.options = options;
    this.meters = meters;
  }

  /**
   * What a session must not see less of, as it is known now: bounds for what it was shown, unless
   * nothing is known yet that bounds it.
   */
  Floor settled(Session session) {
    Floor floor = session.floor();
    if (floor.isNone()) {
      return floor;
    }
    for (PendingCommit commit : floor.unknown()) {
      CommitPosition covered = commit.covered();
      if (covered != null) {
        session.change(now -> now.without(commit).raised(covered));
      }
    }
    for (Shown shown : floor.shown()) {
      CommitPosition bound = bound(shown);
      if (bound != null) {
        session.change(now -> now.without(shown).raised(bound));
      }
    }
    for (CommitPosition position : session.floor().positions()) {
      settle(session, position);
    }
    return session.floor();
  }

  private void settle(Session session, CommitPosition position) {
    Timelines timelines = fleet.timelines();
    if (position.timeline() == timelines.newest()) {
      if (Floor.isBeyondAll(position)) {
        toPrimaryOfNow(session, position);
      }
    } else if (timelines.mayBeLost(position)) {
      if (!fleet.awaitsHistory()) {
        lost(session, position);
      }
    } else {
      // What a newer timeline's position stands for contains it.
      session.change(
          now -> {
            CommitPosition newest = now.newest();
            return newest != null && newest.timeline() > position.timeline()
                ? now.without(position)
                : now;
          });
    }
  }

  /** What the primary says from now on bounds all that was committed when the token was made. */
  private void toPrimaryOfNow(Session session, CommitPosition position) {
    Member primary = fleet.primaryOrNull();
    NodeSight sight = primary == null ? null : primary.sight();
    if (primary != null && sight != null && sight.timeline() == position.timeline()) {
      session.change(
          now ->
              now.positions().contains(position)
                  ? now.without(position).with(Shown.byPrimary(primary, sight))
                  : now);
    }
  }

  /** What nodes say later than the node has shown it, and is not less than that. */
  private @Nullable CommitPosition bound(Shown shown) {
    NodeSight own = shown.node().sight();
    if (own != null && own.bounds(shown.server(), shown.untilNanos())) {
      return own.position();
    }
    if (mayStillBound(shown)) {
      return null;
    }
    // No replica has more than its primary had written.
    Member primary = fleet.primaryOrNull();
    NodeSight sight = primary == null ? null : primary.sight();
    if (sight == null || sight.askedNanos() - shown.untilNanos() < 0) {
      return null;
    }
    return sight.timeline() == shown.timeline() ? sight.position() : null;
  }

  /** Whether the same server, which has not crashed since, is expected to say more. */
  private boolean mayStillBound(Shown shown) {
    NodeSight own = shown.node().sight();
    return own != null
        && own.server().equals(shown.server())
        && own.openedNanos() - shown.untilNanos() <= 0
        && fleet.isFresh(own)
        && fleet.nodes().contains(shown.node());
  }

  /**
   * Until something is known that bounds what was shown; one probe answers all who wait.
   *
   * @return false if that is not to be expected, or the time is over
   */
  boolean awaitBound(Shown shown, long nanos) {
    Member asked = shown.node();
    if (!mayStillBound(shown)) {
      Member primary = fleet.primaryOrNull();
      NodeSight sight = primary == null ? null : primary.sight();
      if (primary == null || sight == null || sight.timeline() != shown.timeline()) {
        return false;
      }
      asked = primary;
    }
    return asked.monitor().await(sight -> sight.askedNanos() - shown.untilNanos() >= 0, nanos);
  }

  /**
   * Before the session goes to the primary, which has everything but what is lost: of an older
   * timeline nothing is left then that was not found in the newest one's history, or told.
   */
  void judge(Session session) {
    if (!isInDoubt(settled(session))) {
      return;
    }
    long until =
        System.nanoTime() + options.maxWait().toNanos() + 2 * options.probeInterval().toNanos();
    awaitHistory(until);
    Floor floor = settled(session);
    for (Shown shown : floor.shown()) {
      if (shown.timeline() < fleet.timelines().newest()) {
        boolean ignored = awaitBound(shown, until - System.nanoTime());
      }
    }
    floor = settled(session);
    for (Shown shown : floor.shown()) {
      if (shown.timeline() < fleet.timelines().newest()) {
        lost(session, shown);
      }
    }
    for (CommitPosition position : floor.positions()) {
      if (fleet.timelines().mayBeLost(position)) {
        lost(session, position);
      }
    }
  }

  private boolean isInDoubt(Floor floor) {
    Timelines timelines = fleet.timelines();
    for (Shown shown : floor.shown()) {
      if (shown.timeline() < timelines.newest()) {
        return true;
      }
    }
    for (CommitPosition position : floor.positions()) {
      if (timelines.mayBeLost(position)) {
        return true;
      }
    }
    return false;
  }

  private void awaitHistory(long untilNanos) {
    Member primary = fleet.primaryOrNull();
    if (primary != null && fleet.awaitsHistory()) {
      boolean ignored =
          primary
              .monitor()
              .await(sight -> fleet.timelines().isHistoryKnown(), untilNanos - System.nanoTime());
    }
  }

  private void lost(Session session, Shown shown) {
    if (session.replaced(now -> now.without(shown))) {
      tell(session, shown.sight().position());
    }
  }

  private void lost(Session session, CommitPosition position) {
    if (session.replaced(now -> now.without(position))) {
      tell(session, position);
    }
  }

  /** What of it was kept is still to be seen: all up to the fork, or all that is there now. */
  private void tell(Session session, CommitPosition position) {
    Timelines timelines = fleet.timelines();
    OptionalLong fork = timelines.fork(position.timeline());
    if (fork.isPresent()) {
      CommitPosition kept =
          new CommitPosition(position.systemIdentifier(), position.timeline(), fork.getAsLong());
      session.change(now -> now.raised(kept));
    } else {
      Member primary = fleet.primaryOrNull();
      NodeSight sight = primary == null ? null : primary.sight();
      CommitPosition kept =
          sight != null && sight.timeline() == timelines.newest()
              ? sight.position()
              : new CommitPosition(
                  position.systemIdentifier(), timelines.newest(), Floor.BEYOND_ALL);
      session.change(now -> now.raised(kept));
    }
    meters.lost();
    LostPosition lost = new LostPosition(session, position, timelines.newest(), fork);
    session.hasLost(lost);
    try {
      options.onLost().accept(lost);
    } catch (RuntimeException e) {
      LOG.error("the callback for a lost position failed", e);
    }
  }

  /** Whether a node that is so far shows everything that was committed up to each of them. */
  static boolean covered(Timelines timelines, CommitPosition node, List<CommitPosition> positions) {
    for (CommitPosition position : positions) {
      if (!timelines.covers(node, position)) {
        return false;
      }
    }
    return true;
  }
}

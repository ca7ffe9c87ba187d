package dev.pgbelay.routing;

import dev.pgbelay.routing.Floor.Shown;
import dev.pgbelay.routing.RouteDecision.Reason;
import dev.pgbelay.routing.RoutingException.Kind;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/** Chooses the node of a read. Safe for several threads. */
final class Router {
  private final Fleet fleet;
  private final RoutingOptions options;
  private final RoutingMeters meters;
  private final Semaphore primaryReads;
  private final Settlement settlement;
  private final AtomicInteger turn = new AtomicInteger();

  Router(
      Fleet fleet,
      Settlement settlement,
      RoutingOptions options,
      RoutingMeters meters,
      Semaphore primaryReads) {
    this.settlement = settlement;
    this.fleet = fleet;
    this.options = options;
    this.meters = meters;
    this.primaryReads = primaryReads;
  }

  /**
   * A node for this read.
   *
   * @throws RoutingException if there is none
   */
  Choice choose(Session session, ReadOptions read, RouteState state) {
    boolean isBeyondAll = session.floor().isBeyondAll();
    Floor floor = settlement.settled(session);
    if (floor.needsPrimary()) {
      return toPrimary(session, Reason.PRIMARY_TOKEN, read, state);
    }
    if (isBeyondAll && !read.staysOnReplicas()) {
      return toPrimary(session, Reason.PRIMARY_POSITION_UNKNOWN, read, state);
    }
    long maxWait = read.maxWait(options.maxWait()).toNanos();
    while (true) {
      if (!floor.unknown().isEmpty()) {
        return toPrimary(session, Reason.PRIMARY_POSITION_UNKNOWN, read, state);
      }
      Choice found = covering(floor, state);
      if (found != null) {
        return found;
      }
      Member nearest = nearest(state.failed());
      if (nearest == null) {
        return toPrimary(
            session,
            state.failed().isEmpty() ? Reason.PRIMARY_NO_REPLICA : Reason.PRIMARY_AFTER_FAILURE,
            read,
            state);
      }
      long left = maxWait - state.waitedNanos();
      if (left <= 0 || !awaitProgress(floor, left, state)) {
        return toPrimary(session, Reason.PRIMARY_NONE_CAUGHT_UP, read, state);
      }
      floor = settlement.settled(session);
    }
  }

  /** The least loaded replica that has it. */
  private @Nullable Choice covering(Floor floor, RouteState state) {
    List<Member> nodes = fleet.nodes();
    int size = nodes.size();
    int first = size == 0 ? 0 : Math.floorMod(turn.getAndIncrement(), size);
    Member best = null;
    NodeSight seen = null;
    for (int i = 0; i < size; i++) {
      Member node = nodes.get((first + i) % size);
      NodeSight sight = replica(node, state.failed());
      if (sight != null
          && covers(node, sight, floor)
          && (best == null || node.reads() < best.reads())) {
        best = node;
        seen = sight;
      }
    }
    if (best == null || seen == null) {
      return null;
    }
    if (!best.tryBegin()) {
      state.failed().add(best);
      return covering(floor, state);
    }
    Reason reason = state.waitedNanos() > 0 ? Reason.AFTER_WAIT : Reason.CAUGHT_UP;
    return new Choice(best, seen, floor, reason, state.waitedNanos(), false);
  }

  /** What a replica says that may be used now. */
  @Nullable NodeSight replica(Member node, Set<Member> failed) {
    NodeSight sight = fleet.believed(node);
    return sight != null
            && sight.recovering()
            && !node.isLagging()
            && !node.isDraining()
            && !failed.contains(node)
        ? sight
        : null;
  }

  /** What is not bounded yet has been shown by the node itself, or is not covered. */
  boolean covers(Member node, NodeSight sight, Floor floor) {
    if (!options.compares()) {
      return true;
    }
    for (Shown shown : floor.shown()) {
      if (shown.node() != node || !shown.server().equals(sight.server())) {
        return false;
      }
    }
    return Settlement.covered(fleet.timelines(), sight.position(), floor.positions());
  }

  private @Nullable Member nearest(Set<Member> failed) {
    Member nearest = null;
    long best = 0;
    for (Member node : fleet.nodes()) {
      NodeSight sight = replica(node, failed);
      if (sight != null
          && (nearest == null || Long.compareUnsigned(sight.position().lsn(), best) > 0)) {
        nearest = node;
        best = sight.position().lsn();
      }
    }
    return nearest;
  }

  /** Waits for what is missing: a bound of what was shown, or a replica that has it. */
  private boolean awaitProgress(Floor floor, long nanos, RouteState state) {
    long begun = System.nanoTime();
    boolean came =
        floor.shown().isEmpty()
            ? awaitCovering(floor, nanos, state)
            : settlement.awaitBound(floor.shown().get(0), nanos);
    state.waited(System.nanoTime() - begun);
    return came;
  }

  private boolean awaitCovering(Floor floor, long nanos, RouteState state) {
    Map<NodeMonitor, Member> usable = new HashMap<>();
    for (Member node : fleet.nodes()) {
      if (replica(node, state.failed()) != null) {
        usable.put(node.monitor(), node);
      }
    }
    return NodeMonitor.awaitAny(
        usable.keySet(),
        (monitor, sight) -> {
          Member node = usable.get(monitor);
          return node != null && covers(node, sight, floor);
        },
        nanos);
  }

  /** The primary has it, whatever it is; but it must not have to take all reads at once. */
  private Choice toPrimary(
      @Nullable Session session, Reason reason, ReadOptions read, RouteState state) {
    if (read.staysOnReplicas()) {
      throw new RoutingException(
          Kind.NO_REPLICA,
          "no replica had what the session wrote and saw within "
              + TimeUnit.NANOSECONDS.toMillis(state.waitedNanos())
              + " ms ("
              + reason
              + "), and the read is not to go to the primary");
    }
    Member primary = fleet.primary();
    NodeSight sight = fleet.believed(primary);
    if (session != null) {
      settlement.judge(session);
    }
    if (sight == null) {
      throw new RoutingException(Kind.NO_PRIMARY, "the primary has fallen silent: nothing was run");
    }
    if (primaryReads.tryAcquire()) {
      if (primary.tryBegin()) {
        return new Choice(primary, sight, null, reason, state.waitedNanos(), true);
      }
      primaryReads.release();
      throw new RoutingException(
          Kind.NO_PRIMARY,
          "the primary '" + primary.name() + "' could not be reached of late: nothing was run");
    }
    meters.full();
    if (read.whenFull() == ReadOptions.WhenFull.STALE) {
      Choice stale = stale(state);
      if (stale != null) {
        return stale;
      }
    }
    throw new RoutingException(
        Kind.PRIMARY_FULL,
        "no replica could take the read ("
            + reason
            + "), and the primary already has the "
            + options.primaryReads()
            + " such reads that it may: nothing was run");
  }

  private @Nullable Choice stale(RouteState state) {
    Member nearest = nearest(state.failed());
    NodeSight sight = nearest == null ? null : nearest.sight();
    return nearest != null && sight != null && nearest.tryBegin()
        ? new Choice(nearest, sight, null, Reason.STALE_BY_CHOICE, state.waitedNanos(), false)
        : null;
  }

  /** Any replica that is known to be no staler than that, or else the primary. */
  Choice within(Duration maxStaleness, ReadOptions read, RouteState state) {
    List<Member> fit = new ArrayList<>();
    for (Member node : fleet.nodes()) {
      NodeSight sight = replica(node, state.failed());
      if (sight != null
          && fleet
              .staleness(sight.position())
              .filter(age -> age.compareTo(maxStaleness) <= 0)
              .isPresent()) {
        fit.add(node);
      }
    }
    fit.sort((one, other) -> Integer.compare(one.reads(), other.reads()));
    for (Member node : fit) {
      NodeSight sight = node.sight();
      if (sight != null && node.tryBegin()) {
        Floor asOld = Floor.NONE.raised(sight.position());
        return new Choice(node, sight, asOld, Reason.WITHIN_STALENESS, 0, false);
      }
    }
    return toPrimary(null, Reason.PRIMARY_NO_REPLICA, read, state);
  }

  void over(Choice choice) {
    if (choice.full()) {
      primaryReads.release();
    }
  }
}

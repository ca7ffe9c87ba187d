package dev.pgbelay.routing;

import dev.pgbelay.core.CommitPosition;
import dev.pgbelay.routing.RoutingException.Kind;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The nodes of a cluster, and what follows from what they said: which is the primary, how far
 * others are behind it, what is lost. Safe for several threads.
 */
final class Fleet {
  private static final Logger LOG = LoggerFactory.getLogger(Fleet.class);

  private final List<Member> nodes = new CopyOnWriteArrayList<>();
  private final AtomicReference<Timelines> timelines = new AtomicReference<>(Timelines.UNKNOWN);
  private final Set<PendingCommit> pending = ConcurrentHashMap.newKeySet();
  private final PrimaryTrail trail = new PrimaryTrail();
  private final RoutingOptions options;
  private volatile long systemIdentifier;
  private volatile int historyRefused;
  private volatile boolean closed;

  Fleet(RoutingOptions options) {
    this.options = options;
  }

  List<Member> nodes() {
    return nodes;
  }

  void add(Member node) {
    nodes.add(node);
  }

  void remove(Member node) {
    nodes.remove(node);
  }

  Timelines timelines() {
    return Objects.requireNonNull(timelines.get());
  }

  long systemIdentifier() {
    return systemIdentifier;
  }

  void isCluster(long identifier) {
    systemIdentifier = identifier;
  }

  /** Nobody asks the nodes any more. */
  void close() {
    closed = true;
  }

  void requireOpen() {
    if (closed) {
      throw new RoutingException(
          Kind.CLOSED,
          "this ReadYourWrites has been closed: nothing was run. Close it after whoever reads and"
              + " writes through it, or build another one");
    }
  }

  void requireOwn(Session session) {
    if (session.owner().fleet() != this) {
      throw new IllegalArgumentException(
          "the session belongs to another ReadYourWrites: pass its token on instead");
    }
  }

  /** A token or a node tells of a timeline. */
  void seen(int timeline) {
    noted(timelines.getAndUpdate(known -> known.seen(timeline)), timeline);
  }

  private static void noted(Timelines before, int timeline) {
    if (before.newest() > 0 && timeline > before.newest()) {
      LOG.warn("the cluster is on timeline {} now, was on {}", timeline, before.newest());
    }
  }

  /**
   * Before anybody sees what a node said: who finds a primary of a new timeline finds its history,
   * too. Called within the node's pass.
   */
  void learn(Member node, NodeSight sight) {
    if (sight.position().systemIdentifier() == systemIdentifier
        && !sight.recovering()
        && sight.timeline() >= timelines().newest()) {
      learnHistory(node, sight.timeline());
    }
  }

  /** A node has answered; called within its pass. */
  void sighted(Member node) {
    NodeSight sight = node.sight();
    if (sight == null || sight.position().systemIdentifier() != systemIdentifier) {
      return;
    }
    seen(sight.timeline());
    measureLag(node, sight);
    if (!sight.recovering() && sight.timeline() == timelines().newest()) {
      learnHistory(node, sight.timeline());
      settlePending(node, sight);
    }
  }

  private void measureLag(Member node, NodeSight sight) {
    if (!sight.recovering()) {
      if (sight.timeline() == timelines().newest()) {
        trail.was(sight.position(), sight.askedNanos());
      }
      return;
    }
    OptionalLong bytes = lagBytes(sight.position());
    if (bytes.isPresent()) {
      Duration age = staleness(sight.position()).orElse(options.maxLag().plusNanos(1));
      node.lags(bytes.getAsLong(), age, options.maxLagBytes(), options.maxLag());
    }
  }

  /** How old what is shown at that position may be, at most; empty where that is not known. */
  Optional<Duration> staleness(CommitPosition position) {
    return trail.staleness(position, System.nanoTime());
  }

  private void learnHistory(Member node, int timeline) {
    if (timeline == 1 || timelines().known() == timeline) {
      return;
    }
    try {
      node.history(timeline).ifPresent(text -> knowsHistory(timeline, text));
    } catch (SQLException e) {
      // It is asked with each probe.
      if (historyRefused != timeline) {
        historyRefused = timeline;
        LOG.warn(
            "node '{}' does not tell the history of timeline {}: until it does, positions of older"
                + " timelines count as lost",
            node.name(),
            timeline,
            e);
      }
    }
  }

  void knowsHistory(int timeline, String text) {
    Timelines before =
        timelines.getAndUpdate(
            known -> known.newest() > timeline ? known : known.with(timeline, text));
    noted(before, timeline);
  }

  /** Whether the fork of the newest timeline may still become known. */
  boolean awaitsHistory() {
    if (timelines().isHistoryKnown()) {
      return false;
    }
    Member primary = primaryOrNull();
    return primary == null || primary.tellsHistory();
  }

  void await(PendingCommit commit) {
    pending.add(commit);
  }

  private void settlePending(Member primary, NodeSight sight) {
    if (pending.isEmpty()) {
      return;
    }
    Set<Integer> asked = new HashSet<>();
    for (PendingCommit one : pending) {
      if (one.server().equals(sight.server())) {
        asked.add(one.pid());
      } else {
        // It went to a server that is not the primary any more, or that has begun anew.
        one.hasEnded(System.nanoTime());
      }
    }
    asked.remove(0);
    if (!asked.isEmpty()) {
      try {
        Set<Integer> living = primary.living(asked);
        long now = System.nanoTime();
        pending.stream()
            .filter(one -> one.server().equals(sight.server()) && one.pid() != 0)
            .filter(one -> asked.contains(one.pid()) && !living.contains(one.pid()))
            .forEach(one -> one.hasEnded(now));
      } catch (SQLException e) {
        LOG.debug("it is not known yet which sessions live", e);
      }
    }
    pending.removeIf(one -> one.settledBy(sight));
  }

  /** What a node said longer ago is not believed any more. */
  boolean isFresh(NodeSight sight) {
    return sight.ageNanos(System.nanoTime()) <= options.maxAge().toNanos();
  }

  /** What it says, if that can be believed: it is of this cluster, and of its newest timeline. */
  @Nullable NodeSight believed(Member node) {
    NodeSight sight = node.sight();
    return sight != null
            && sight.position().systemIdentifier() == systemIdentifier
            && sight.timeline() == timelines().newest()
            && isFresh(sight)
        ? sight
        : null;
  }

  @Nullable Member primaryOrNull() {
    Member found = null;
    for (Member node : nodes) {
      NodeSight sight = believed(node);
      if (sight != null && !sight.recovering()) {
        if (found != null) {
          return null;
        }
        found = node;
      }
    }
    return found;
  }

  /**
   * The node that accepts writes.
   *
   * @throws RoutingException if there is none, or more than one
   */
  Member primary() {
    Member primary = primaryOrNull();
    if (primary != null) {
      return primary;
    }
    List<String> writable = new ArrayList<>();
    List<String> seen = new ArrayList<>();
    for (Member node : nodes) {
      NodeSight sight = believed(node);
      if (sight != null && !sight.recovering()) {
        writable.add(node.name());
      }
      seen.add(node.name() + ": " + described(node.sight()));
    }
    if (writable.size() > 1) {
      throw new RoutingException(
          Kind.TWO_PRIMARIES,
          "nodes "
              + writable
              + " all accept writes on timeline "
              + timelines().newest()
              + ": nothing was run. Stop all but one, and rebuild the others from it");
    }
    throw new RoutingException(
        Kind.NO_PRIMARY,
        "no node is known to be the primary of timeline "
            + timelines().newest()
            + " ("
            + String.join("; ", seen)
            + "): nothing was run");
  }

  private String described(@Nullable NodeSight sight) {
    if (sight == null) {
      return "never answered";
    }
    return (sight.recovering() ? "replica" : "primary")
        + " of timeline "
        + sight.timeline()
        + (isFresh(sight)
            ? ""
            : ", silent for " + sight.ageNanos(System.nanoTime()) / 1_000_000 + " ms");
  }

  /** How far the primary, as last seen, is ahead of that. */
  OptionalLong lagBytes(CommitPosition position) {
    Member primary = primaryOrNull();
    NodeSight sight = primary == null ? null : primary.sight();
    if (sight == null || sight.timeline() != position.timeline()) {
      return OptionalLong.empty();
    }
    return OptionalLong.of(Math.max(0, sight.position().lsn() - position.lsn()));
  }
}

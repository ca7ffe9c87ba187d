package dev.pgbelay.routing;

import dev.pgbelay.core.CommitPosition;
import dev.pgbelay.routing.NodeSight.ServerStart;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * What a session must never see less of. Immutable.
 *
 * @param positions up to which everything committed has to be there, oldest timeline first: one for
 *     each timeline, for whether an older one's is part of the newest's history may not be known
 *     yet, and must not be forgotten for a newer one's
 * @param shown what nodes have shown, where no position is known that bounds it
 * @param unknown commits of which nothing is known but the session that sent them
 * @param needsPrimary nothing else can be told: the next read goes to the primary, whose answer
 *     settles it
 */
record Floor(
    List<CommitPosition> positions,
    List<Shown> shown,
    Set<PendingCommit> unknown,
    boolean needsPrimary) {
  static final Floor NONE = new Floor(List.of(), List.of(), Set.of(), false);

  /** No replica ever has replayed that far: all that the primary has by the time of the read. */
  static final long BEYOND_ALL = -1L;

  /**
   * A node has shown something, until then. What the same server says later bounds it.
   *
   * @param sight what the node had said when it was chosen
   * @param sinceNanos when the connection was there already on which it was shown: the server has
   *     not crashed from then on
   */
  record Shown(Member node, NodeSight sight, long sinceNanos, long untilNanos) {
    /** By a primary: it comes back from a crash with all that it had shown. */
    static Shown byPrimary(Member node, NodeSight sight) {
      long now = System.nanoTime();
      return new Shown(node, sight, now, now);
    }

    /** Whether what bounds this one bounds the other, too. */
    boolean standsFor(Shown other) {
      return node == other.node
          && server().equals(other.server())
          && untilNanos - other.untilNanos >= 0
          && (!sight.recovering() || sinceNanos - other.untilNanos <= 0);
    }

    ServerStart server() {
      return sight.server();
    }

    /** The newest one that was known when it was shown. */
    int timeline() {
      return sight.timeline();
    }
  }

  Floor {
    positions = List.copyOf(positions);
    shown = List.copyOf(shown);
    unknown = Set.copyOf(unknown);
  }

  boolean isNone() {
    return positions.isEmpty() && shown.isEmpty() && unknown.isEmpty() && !needsPrimary;
  }

  /** Whether it is known only that the primary had it: its answer says more. */
  boolean isBeyondAll() {
    for (CommitPosition position : positions) {
      if (isBeyondAll(position)) {
        return true;
      }
    }
    return false;
  }

  static boolean isBeyondAll(CommitPosition position) {
    return position.lsn() == BEYOND_ALL;
  }

  /** Of the newest timeline that the session has a position of; null if it has none. */
  @Nullable CommitPosition newest() {
    return positions.isEmpty() ? null : positions.get(positions.size() - 1);
  }

  Floor raised(CommitPosition position) {
    if (positions.isEmpty()) {
      return new Floor(List.of(position), shown, unknown, needsPrimary);
    }
    List<CommitPosition> raised = new ArrayList<>(positions.size() + 1);
    CommitPosition highest = position;
    for (CommitPosition one : positions) {
      if (one.timeline() != position.timeline()) {
        raised.add(one);
      } else if (Long.compareUnsigned(one.lsn(), position.lsn()) > 0) {
        highest = one;
      }
    }
    raised.add(highest);
    raised.sort(Comparator.comparingInt(CommitPosition::timeline));
    return new Floor(raised, shown, unknown, needsPrimary);
  }

  Floor without(CommitPosition position) {
    List<CommitPosition> fewer = new ArrayList<>(positions);
    return fewer.remove(position) ? new Floor(fewer, shown, unknown, needsPrimary) : this;
  }

  Floor forPrimary() {
    return new Floor(positions, shown, unknown, true);
  }

  /**
   * The primary has answered: what it says later stands for all that was there before. Also for
   * what a token stood for that was joined after the answer, and could not be read.
   */
  Floor answeredBy(Member primary, NodeSight sight) {
    return needsPrimary
        ? new Floor(positions, shown, unknown, false).with(Shown.byPrimary(primary, sight))
        : this;
  }

  Floor with(PendingCommit commit) {
    Set<PendingCommit> more = new HashSet<>(unknown);
    more.add(commit);
    return new Floor(positions, shown, more, needsPrimary);
  }

  Floor without(PendingCommit commit) {
    Set<PendingCommit> fewer = new HashSet<>(unknown);
    fewer.remove(commit);
    return new Floor(positions, shown, fewer, needsPrimary);
  }

  Floor without(Shown bounded) {
    List<Shown> fewer = new ArrayList<>(shown);
    return fewer.remove(bounded) ? new Floor(positions, fewer, unknown, needsPrimary) : this;
  }

  /**
   * Without what that server showed in between, on one that did not crash meanwhile: a position
   * that it told afterwards stands for it.
   */
  Floor withoutShown(ServerStart server, long fromNanos, long untilNanos) {
    List<Shown> kept = new ArrayList<>(shown);
    boolean changed =
        kept.removeIf(
            one ->
                one.server().equals(server)
                    && one.untilNanos() - fromNanos >= 0
                    && one.untilNanos() - untilNanos <= 0);
    return changed ? new Floor(positions, kept, unknown, needsPrimary) : this;
  }

  /** A node keeps what it has shown last, unless it may have crashed in between. */
  Floor with(Shown latest) {
    if (shown.isEmpty()) {
      return new Floor(positions, List.of(latest), unknown, needsPrimary);
    }
    List<Shown> kept = new ArrayList<>(shown.size() + 1);
    for (Shown one : shown) {
      if (one.standsFor(latest)) {
        return this;
      }
      if (!latest.standsFor(one)) {
        kept.add(one);
      }
    }
    kept.add(latest);
    return new Floor(positions, kept, unknown, needsPrimary);
  }
}

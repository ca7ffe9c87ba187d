package dev.pgbelay.routing;

import dev.pgbelay.core.CommitPosition;
import dev.pgbelay.routing.NodeSight.ServerStart;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * What a session must never see less of. Immutable.
 *
 * @param position up to which everything committed has to be there
 * @param shown what nodes have shown, where no position is known that bounds it
 * @param unknown commits of which nothing is known but the session that sent them
 * @param needsPrimary nothing else can be told: the next read goes to the primary, whose answer
 *     settles it
 */
record Floor(
    @Nullable CommitPosition position,
    List<Shown> shown,
    Set<PendingCommit> unknown,
    boolean needsPrimary) {
  static final Floor NONE = new Floor(null, List.of(), Set.of(), false);

  /**
   * A node has shown something, until then. What the same server says later bounds it.
   *
   * @param timeline the newest one known when it did
   */
  record Shown(Member node, ServerStart server, int timeline, long untilNanos) {}

  Floor {
    shown = List.copyOf(shown);
    unknown = Set.copyOf(unknown);
  }

  boolean isNone() {
    return position == null && shown.isEmpty() && unknown.isEmpty() && !needsPrimary;
  }

  Floor with(CommitPosition raised) {
    return new Floor(raised, shown, unknown, needsPrimary);
  }

  Floor withoutPosition() {
    return new Floor(null, shown, unknown, needsPrimary);
  }

  Floor forPrimary() {
    return new Floor(position, shown, unknown, true);
  }

  /** The primary has answered, so that its own position bounds whatever could not be told. */
  Floor answeredByPrimary() {
    return needsPrimary ? new Floor(position, shown, unknown, false) : this;
  }

  Floor with(PendingCommit commit) {
    Set<PendingCommit> more = new HashSet<>(unknown);
    more.add(commit);
    return new Floor(position, shown, more, needsPrimary);
  }

  Floor without(PendingCommit commit) {
    Set<PendingCommit> fewer = new HashSet<>(unknown);
    fewer.remove(commit);
    return new Floor(position, shown, fewer, needsPrimary);
  }

  Floor without(Shown bounded) {
    List<Shown> fewer = new ArrayList<>(shown);
    fewer.remove(bounded);
    return new Floor(position, fewer, unknown, needsPrimary);
  }

  /** A node keeps what it has shown last. */
  Floor with(Shown latest) {
    if (shown.isEmpty()) {
      return new Floor(position, List.of(latest), unknown, needsPrimary);
    }
    List<Shown> kept = new ArrayList<>(shown.size() + 1);
    for (Shown one : shown) {
      if (one.node() != latest.node() || !one.server().equals(latest.server())) {
        kept.add(one);
      } else if (one.untilNanos() - latest.untilNanos() >= 0) {
        return this;
      }
    }
    kept.add(latest);
    return new Floor(position, kept, unknown, needsPrimary);
  }
}

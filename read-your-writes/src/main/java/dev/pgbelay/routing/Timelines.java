package dev.pgbelay.routing;

import dev.pgbelay.core.CommitPosition;
import dev.pgbelay.core.internal.LogPosition;
import java.util.HashMap;
import java.util.Map;
import java.util.OptionalLong;

/**
 * What is known of a cluster's history: the newest timeline, and where older ones were left for it.
 * Immutable.
 *
 * @param newest the highest timeline that a node or a token has told of
 * @param forks by timeline: the position up to which it belongs to the history of {@code known}
 * @param known the timeline whose history {@code forks} is
 */
record Timelines(int newest, Map<Integer, Long> forks, int known) {
  Timelines {
    forks = Map.copyOf(forks);
  }

  static final Timelines UNKNOWN = new Timelines(0, Map.of(), 0);

  Timelines seen(int timeline) {
    return timeline <= newest ? this : new Timelines(timeline, forks, known);
  }

  /**
   * With the history file of a timeline: a line for each one it descends from, with its number and
   * the position where it was left.
   */
  Timelines with(int timeline, String history) {
    Map<Integer, Long> read = new HashMap<>();
    history
        .lines()
        .map(String::strip)
        .filter(line -> !line.isEmpty() && !line.startsWith("#"))
        .forEach(
            line -> {
              String[] parts = line.split("\\s+", 3);
              read.put(Integer.parseInt(parts[0]), LogPosition.parse(parts[1]));
            });
    return new Timelines(Math.max(newest, timeline), read, timeline);
  }

  boolean isHistoryKnown() {
    return newest <= 1 || known == newest;
  }

  /** Where that timeline was left by the history of the newest; empty where it is not known. */
  OptionalLong fork(int timeline) {
    Long at = known == newest ? forks.get(timeline) : null;
    return at == null ? OptionalLong.empty() : OptionalLong.of(at);
  }

  /**
   * Whether a position is not known to be part of the newest timeline's history: what was committed
   * there may be gone.
   */
  boolean mayBeLost(CommitPosition position) {
    if (position.timeline() >= newest) {
      return false;
    }
    OptionalLong fork = fork(position.timeline());
    return fork.isEmpty() || Long.compareUnsigned(position.lsn(), fork.getAsLong()) > 0;
  }

  /** Whether a node there shows everything that was committed up to the floor. */
  boolean covers(CommitPosition node, CommitPosition floor) {
    if (node.systemIdentifier() != floor.systemIdentifier()
        || Long.compareUnsigned(node.lsn(), floor.lsn()) < 0) {
      return false;
    }
    return node.timeline() == floor.timeline()
        || (node.timeline() == newest && floor.timeline() < newest && !mayBeLost(floor));
  }

  /** The one that a node has to cover so that it covers both; of one cluster. */
  CommitPosition later(CommitPosition one, CommitPosition other) {
    if (one.timeline() != other.timeline()) {
      return one.timeline() > other.timeline() ? one : other;
    }
    return Long.compareUnsigned(one.lsn(), other.lsn()) >= 0 ? one : other;
  }
}

package dev.pgbelay.jobqueue;

import dev.pgbelay.jobqueue.LimitSql.Limit;
import dev.pgbelay.jobqueue.permit.ClaimPermit;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Kinds of a queue that are claimed together, because the same things limit them: nearly always all
 * of them, and nothing.
 *
 * @param kinds to claim
 * @param limits that were set for the queue or the kind
 * @param permit of the kind
 * @param mark where the next claim begins
 */
record Lane(
    Set<String> kinds, List<Limit> limits, @Nullable ClaimPermit permit, LowWaterMark mark) {
  /** Whether less may be claimed than there is room for: then nothing is fetched ahead. */
  boolean isNarrow() {
    return permit != null || !limits.isEmpty();
  }

  /** Sets places aside, all that are wanted where nothing says otherwise. */
  int reserve(int wanted) {
    return permit == null ? wanted : permit.reserve(wanted);
  }

  /** Gives back what was set aside in vain. */
  void release(int unused) {
    if (permit != null && unused > 0) {
      permit.release(unused);
    }
  }

  /** The lanes of one queue; {@link #of} is used by one thread at a time. */
  static final class Lanes {
    private final String queue;
    private final Map<String, ClaimPermit> permits;
    private final Set<String> kinds;
    private @Nullable Board board;
    private List<Lane> lanes = List.of();
    private int turn;

    Lanes(String queue, Set<String> kinds, Map<String, ClaimPermit> permits) {
      this.queue = queue;
      this.kinds = kinds;
      this.permits = permits;
    }

    /** Those that may be claimed from now, another one first each time. */
    List<Lane> of(Board current) {
      if (!current.equals(board)) {
        board = current;
        lanes = divide(current);
      }
      if (lanes.size() < 2) {
        return lanes;
      }
      List<Lane> turned = new ArrayList<>(lanes);
      Collections.rotate(turned, turn++ % lanes.size());
      return turned;
    }

    /** Whether jobs of the kind are run here, and nothing has to admit them one by one. */
    boolean admitsAhead(String kind) {
      return kinds.contains(kind) && !permits.containsKey(kind);
    }

    @Nullable ClaimPermit permitOf(String kind) {
      return permits.get(kind);
    }

    /** All look at everything the next time. */
    void forget() {
      board = null;
    }

    private List<Lane> divide(Board current) {
      Limit own = Limit.ofQueue(queue);
      if (current.isPaused(own)) {
        return List.of();
      }
      List<Limit> ofQueue = current.isLimited(own) ? List.of(own) : List.of();
      Set<String> together = new HashSet<>();
      List<Lane> divided = new ArrayList<>();
      for (String kind : kinds) {
        Limit limit = Limit.ofKind(kind);
        ClaimPermit permit = permits.get(kind);
        if (current.isPaused(limit)) {
          continue;
        }
        if (permit == null && !current.isLimited(limit)) {
          together.add(kind);
          continue;
        }
        List<Limit> limits = new ArrayList<>(ofQueue);
        if (current.isLimited(limit)) {
          limits.add(limit);
        }
        divided.add(new Lane(Set.of(kind), List.copyOf(limits), permit, new LowWaterMark()));
      }
      if (!together.isEmpty()) {
        divided.add(new Lane(Set.copyOf(together), ofQueue, null, new LowWaterMark()));
      }
      return divided;
    }
  }
}

package dev.pgbelay.jobqueue;

import dev.pgbelay.core.permit.ClaimPermit;
import dev.pgbelay.jobqueue.LimitSql.Limit;
import dev.pgbelay.jobqueue.LimitedClaimSql.Wanted;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Kinds of a queue that are claimed together, because the same things limit them: nearly always all
 * of them, and nothing. Used by the thread that claims, except where said.
 */
final class Lane {
  private final Set<String> kinds;
  private final List<Limit> limits;
  private final @Nullable ClaimPermit permit;
  private final LowWaterMark mark = new LowWaterMark();
  private boolean narrow;

  /**
   * @param limits that were set for the queue or the kind
   * @param permit of the kind
   */
  Lane(Set<String> kinds, List<Limit> limits, @Nullable ClaimPermit permit) {
    this.kinds = Set.copyOf(kinds);
    this.limits = List.copyOf(limits);
    this.permit = permit;
    this.narrow = permit != null || !limits.isEmpty();
  }

  Set<String> kinds() {
    return kinds;
  }

  List<Limit> limits() {
    return limits;
  }

  /** Where the next claim begins. */
  LowWaterMark mark() {
    return mark;
  }

  /**
   * Whether its jobs are claimed for free threads only: so it is until a claim was allowed more,
   * and again when one was not.
   */
  boolean isNarrow() {
    return narrow;
  }

  void narrow(boolean forThreadsOnly) {
    narrow = forThreadsOnly;
  }

  /** Sets places aside, all that are wanted where nothing says otherwise. */
  Reserved reserve(Wanted wanted) {
    if (permit == null) {
      return new Reserved(wanted, true);
    }
    int now = wanted.now() == 0 ? 0 : permit.reserve(wanted.now());
    int tried = Math.max(1, wanted.most() - wanted.now());
    int ahead = now < wanted.now() ? 0 : permit.reserveAhead(tried);
    int used = Math.min(ahead, wanted.most() - wanted.now());
    release(ahead - used);
    return new Reserved(new Wanted(now, now + used), ahead > 0);
  }

  /**
   * What was set aside.
   *
   * @param wide whether there is anything for jobs that are fetched ahead
   */
  record Reserved(Wanted places, boolean wide) {}

  /** Gives back what was set aside in vain; by any thread. */
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
    private final List<Lane> lanes = new ArrayList<>();

    Lanes(String queue, Set<String> kinds, Map<String, ClaimPermit> permits) {
      this.queue = queue;
      this.kinds = kinds;
      this.permits = permits;
    }

    /** Those that may be claimed from now, the one that was asked last at the end. */
    List<Lane> of(Board current) {
      if (!current.equals(board)) {
        board = current;
        lanes.clear();
        lanes.addAll(divide(current));
      }
      return List.copyOf(lanes);
    }

    /** The others have their turn before it. */
    void asked(Lane lane) {
      if (lanes.size() > 1 && lanes.remove(lane)) {
        lanes.add(lane);
      }
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
        divided.add(new Lane(Set.of(kind), limits, permit));
      }
      if (!together.isEmpty()) {
        divided.add(new Lane(together, ofQueue, null));
      }
      return divided;
    }
  }
}

package dev.pgbelay.routing;

import dev.pgbelay.core.CommitPosition;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * Where the primary has been, and when: says how old what a replica shows may be. The last time at
 * which the primary was not further than the replica is now, by this process's own clock. Safe for
 * several threads.
 */
final class PrimaryTrail {
  private static final int MOST = 4_096;

  private final TreeMap<Long, Long> lastAsked = new TreeMap<>(Long::compareUnsigned);
  private int timeline;

  synchronized void was(CommitPosition position, long askedNanos) {
    if (timeline != position.timeline()) {
      lastAsked.clear();
      timeline = position.timeline();
    }
    lastAsked.put(position.lsn(), askedNanos);
    if (lastAsked.size() > MOST) {
      thinOut();
    }
  }

  /** Every second one of the older half. */
  private void thinOut() {
    int[] at = {0};
    lastAsked.entrySet().removeIf(any -> ++at[0] < MOST / 2 && at[0] % 2 == 0);
  }

  /** Everything committed longer ago is there; empty where the primary was not seen so far back. */
  synchronized Optional<Duration> staleness(CommitPosition position, long nowNanos) {
    if (timeline != position.timeline()) {
      return Optional.empty();
    }
    Map.Entry<Long, Long> before = lastAsked.floorEntry(position.lsn());
    return before == null
        ? Optional.empty()
        : Optional.of(Duration.ofNanos(Math.max(0, nowNanos - before.getValue())));
  }
}

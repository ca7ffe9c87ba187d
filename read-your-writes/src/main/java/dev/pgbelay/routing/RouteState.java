package dev.pgbelay.routing;

import java.util.HashSet;
import java.util.Set;

/** What one read has been through so far. */
final class RouteState {
  private final Set<Member> failed = new HashSet<>(4);
  private long waitedNanos;
  private int attempts;

  /** Nodes that are not to be tried again. */
  Set<Member> failed() {
    return failed;
  }

  void waited(long nanos) {
    waitedNanos += Math.max(1, nanos);
  }

  long waitedNanos() {
    return waitedNanos;
  }

  int attempt() {
    return ++attempts;
  }
}

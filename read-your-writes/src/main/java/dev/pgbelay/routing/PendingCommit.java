package dev.pgbelay.routing;

import dev.pgbelay.core.CommitPosition;
import dev.pgbelay.routing.NodeSight.ServerStart;
import org.jspecify.annotations.Nullable;

/**
 * A COMMIT that got no answer. While the server's process lives that it was sent to, it may still
 * be carried out; what the primary says of itself after that process has ended covers it.
 */
final class PendingCommit {
  private final ServerStart server;
  private final int pid;
  private @Nullable Long endedNanos;
  private volatile @Nullable CommitPosition covered;

  /**
   * @param pid 0 where a pooler stands in between, so that nobody knows it
   */
  PendingCommit(ServerStart server, int pid) {
    this.server = server;
    this.pid = pid;
  }

  ServerStart server() {
    return server;
  }

  int pid() {
    return pid;
  }

  /** Used by one thread at a time. */
  void hasEnded(long nanos) {
    if (endedNanos == null) {
      endedNanos = nanos;
    }
  }

  /** The primary has said something; whether that settles it. */
  boolean settledBy(NodeSight primary) {
    if (endedNanos == null || primary.askedNanos() - endedNanos < 0) {
      return false;
    }
    covered = primary.position();
    return true;
  }

  /** From where on it is to be seen, if it was committed; null while that is not known. */
  @Nullable CommitPosition covered() {
    return covered;
  }
}

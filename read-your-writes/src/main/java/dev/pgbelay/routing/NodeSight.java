package dev.pgbelay.routing;

import dev.pgbelay.core.CommitPosition;

/**
 * What a node has said of itself.
 *
 * @param server tells this start of this server from every other
 * @param recovering whether it follows another one
 * @param position how far it has replayed or, as a primary, written
 * @param openedNanos when the connection was opened that it was asked on: while it lived, the
 *     server has not crashed
 * @param askedNanos before the question was sent
 */
record NodeSight(
    ServerStart server,
    boolean recovering,
    CommitPosition position,
    long openedNanos,
    long askedNanos) {

  /** One start of one server. */
  record ServerStart(long systemIdentifier, long startedMicros) {}

  int timeline() {
    return position.timeline();
  }

  long ageNanos(long now) {
    return now - askedNanos;
  }

  /**
   * Whether its position bounds all that the same server had shown until then: it was asked later,
   * and has not crashed in between, after which it may have begun anew further back.
   */
  boolean bounds(ServerStart shownBy, long shownNanos) {
    return server.equals(shownBy) && openedNanos - shownNanos <= 0 && askedNanos - shownNanos >= 0;
  }
}

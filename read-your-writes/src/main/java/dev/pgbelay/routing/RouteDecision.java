package dev.pgbelay.routing;

import java.time.Duration;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * Where a read or write went, and why. Immutable.
 *
 * @param node the node's name
 * @param reason why that one
 * @param waited how long the session waited for a node to be fit for it
 * @param lagBytes how far the node was behind the primary as both were last seen; empty where one
 *     of them has not been seen
 * @param staleness for {@link Reason#STALE_BY_CHOICE}: how old what was read may be at most, as the
 *     node said; otherwise empty
 */
public record RouteDecision(
    String node,
    Reason reason,
    Duration waited,
    OptionalLong lagBytes,
    Optional<Duration> staleness) {

  /** Why a node was chosen. */
  public enum Reason {
    /** A replica that was known to have all that the session wrote and saw. */
    CAUGHT_UP(true),
    /** A replica that came to have it while the session waited. */
    AFTER_WAIT(true),
    /** A replica within the staleness that the read allowed. */
    WITHIN_STALENESS(true),
    /** None had it in time and the primary was full: the read was to be stale then. */
    STALE_BY_CHOICE(true),
    /** The caller said so. */
    PRIMARY_DECLARED(false),
    /** No replica answers probes, or all lag beyond their limits. */
    PRIMARY_NO_REPLICA(false),
    /** No replica had it in time. */
    PRIMARY_NONE_CAUGHT_UP(false),
    /** The session's last COMMIT got no answer: no position to wait for is known. */
    PRIMARY_POSITION_UNKNOWN(false),
    /** The session's position or token cannot be compared with what replicas say. */
    PRIMARY_TOKEN(false),
    /** Replicas cancelled the read, or could not run it. */
    PRIMARY_AFTER_FAILURE(false);

    private final boolean replica;

    Reason(boolean replica) {
      this.replica = replica;
    }

    /** Whether it is a reason to go to a replica. */
    public boolean isReplica() {
      return replica;
    }
  }
}

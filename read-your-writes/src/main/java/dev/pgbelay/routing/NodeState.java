package dev.pgbelay.routing;

import dev.pgbelay.core.CommitPosition;
import java.time.Duration;
import java.util.Optional;

/**
 * What a node said last. Immutable.
 *
 * @param name its name
 * @param role what it is, as far as that can be believed
 * @param position how far it has replayed or written; empty before its first answer
 * @param age since it was asked for that; empty before its first answer
 * @param lagBytes how far it is behind the primary, as both were last seen
 * @param staleness how old what it shows may be, at most; empty where that is not known
 * @param readsUnderWay reads that this process has there
 * @param waiting sessions of this process that wait for it
 */
public record NodeState(
    String name,
    Role role,
    Optional<CommitPosition> position,
    Optional<Duration> age,
    long lagBytes,
    Optional<Duration> staleness,
    int readsUnderWay,
    int waiting) {

  /** What a node is to this process. */
  public enum Role {
    /** Accepts writes on the newest timeline. */
    PRIMARY,
    /** Follows on the newest timeline, and is read from. */
    REPLICA,
    /** Follows, but beyond the limits of lag: is not read from until it is well below them. */
    LAGGING,
    /** Is being removed. */
    DRAINING,
    /** Of an older timeline than the newest that is known: neither read from nor written to. */
    LEFT_BEHIND,
    /** Does not answer, or has not for too long. */
    SILENT
  }
}

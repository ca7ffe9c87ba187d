package dev.pgbelay.reconcile.check;

import java.time.Instant;
import java.util.Optional;
import org.jooq.JSONB;

/**
 * Something that is wrong, once however many runs see it.
 *
 * @param id of it, for people and logs
 * @param rowKey the row's primary key as an array of texts
 * @param evidence what was wrong when it was last seen: the values that refer, or what the value is
 *     and what was expected; data of the table
 * @param firstSeen when a run saw it first
 * @param confirmedAt when it was confirmed first; empty for a candidate
 * @param closedAt when a run did not find it any more, or it was repaired
 * @param reopened how often it came back after that
 */
public record Finding(
    long id,
    String declaration,
    JSONB rowKey,
    State state,
    JSONB evidence,
    Instant firstSeen,
    Instant lastSeen,
    Optional<Instant> confirmedAt,
    Optional<Instant> closedAt,
    int reopened) {
  /** What became of it. */
  public enum State {
    /** Seen, and perhaps only under way. */
    CANDIDATE,
    /** Seen again after all that could have mended it. */
    CONFIRMED,
    /** Closed by a repair. */
    REPAIRED,
    /** Not there any more. */
    RESOLVED
  }
}

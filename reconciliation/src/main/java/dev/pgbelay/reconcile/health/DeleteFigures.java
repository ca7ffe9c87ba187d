package dev.pgbelay.reconcile.health;

import java.time.Duration;
import java.util.Optional;

/**
 * Captured deletes of one reference at one moment, by the database's clock; counted up to the
 * monitor's limit. Immutable and safe for several threads.
 *
 * @param reference its name
 * @param waiting those that a worker goes on with by itself
 * @param held those that wait for somebody
 * @param moreWaiting whether more are waiting than were counted
 * @param moreHeld whether more are held than were counted
 * @param oldestWaiting since the oldest of the waiting ones was captured
 * @param oldestHeld since the oldest of the held ones was captured
 */
public record DeleteFigures(
    String reference,
    int waiting,
    int held,
    boolean moreWaiting,
    boolean moreHeld,
    Optional<Duration> oldestWaiting,
    Optional<Duration> oldestHeld) {
  static DeleteFigures none(String reference) {
    return new DeleteFigures(reference, 0, 0, false, false, Optional.empty(), Optional.empty());
  }
}

package dev.pgbelay.outbox.health;

import java.time.Duration;
import java.util.Optional;

/**
 * Who delivers to a destination, as the relays said with their last heartbeats. Immutable and safe
 * for several threads.
 *
 * @param relays that are heard of and deliver there
 * @param freeLanes of its 32 lanes, those that none of them has
 * @param freeFor for how long this monitor has seen some without an owner; zero if there are none
 * @param paused of the relays, those for which everything fails there, so that they only probe
 * @param refused of the relays, those whose permit lets nothing begin there
 * @param sinceDelivered since one of them wrote down that it had delivered something; empty if none
 *     of those that are heard of has. To the nearest heartbeat
 */
public record ServiceFigures(
    int relays,
    int freeLanes,
    Duration freeFor,
    int paused,
    int refused,
    Optional<Duration> sinceDelivered) {
  ServiceFigures withFreeFor(Duration time) {
    return new ServiceFigures(relays, freeLanes, time, paused, refused, sinceDelivered);
  }
}

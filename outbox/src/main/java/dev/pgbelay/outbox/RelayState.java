package dev.pgbelay.outbox;

import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * What a relay says of a destination with its heartbeat, for those who watch.
 *
 * @param destination its number
 * @param paused everything fails there, and it only probes
 * @param refused the permit let nothing begin the last time it was asked
 * @param sinceDelivered since something that was delivered was written down; null before the first
 */
record RelayState(
    short destination, boolean paused, boolean refused, @Nullable Duration sinceDelivered) {}

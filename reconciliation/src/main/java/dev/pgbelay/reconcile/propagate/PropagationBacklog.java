package dev.pgbelay.reconcile.propagate;

import java.time.Duration;
import java.util.Optional;

/**
 * What is captured and not yet done.
 *
 * @param open deletes that are treated by and by, counted up to 100,000
 * @param held deletes that wait for {@link Propagation#confirm}, counted up to 100,000
 * @param oldest since when the oldest of the open ones is captured; empty if there is none
 */
public record PropagationBacklog(long open, long held, Optional<Duration> oldest) {}

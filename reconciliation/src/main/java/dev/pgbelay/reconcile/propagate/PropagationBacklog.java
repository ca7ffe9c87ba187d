package dev.pgbelay.reconcile.propagate;

import java.time.Duration;
import java.util.Optional;

/**
 * What is captured and not yet done, of all references that are declared.
 *
 * @param open deletes that are treated by and by
 * @param held deletes that wait for {@link Propagation#confirm}
 * @param atLeast whether there are more than these, since counting ends at {@link
 *     Propagation.Builder#countAtMost} of each reference
 * @param oldest since when the oldest of the open ones is captured; empty if there is none
 */
public record PropagationBacklog(
    long open, long held, boolean atLeast, Optional<Duration> oldest) {}

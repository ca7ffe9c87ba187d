package dev.pgbelay.routing;

import dev.pgbelay.routing.RouteDecision.Reason;
import org.jspecify.annotations.Nullable;

/**
 * A node for one read, of which {@link Member#tryBegin} was true.
 *
 * @param sight what it was chosen for
 * @param floor what it has to cover; null where it need not
 * @param full whether it has a place among the reads of the primary, to be given back
 */
record Choice(
    Member node,
    NodeSight sight,
    @Nullable Floor floor,
    Reason reason,
    long waitedNanos,
    boolean full) {}

package dev.pgbelay.routing;

import dev.pgbelay.routing.RouteDecision.Reason;
import java.time.Duration;
import java.util.Optional;
import java.util.OptionalLong;
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
    boolean full) {
  /** For those who ask where it went, as things are now. */
  RouteDecision decision(Fleet fleet) {
    return new RouteDecision(
        node.name(),
        reason,
        Duration.ofNanos(waitedNanos),
        OptionalLong.of(node.lagBytes()),
        reason == Reason.STALE_BY_CHOICE ? fleet.staleness(sight.position()) : Optional.empty());
  }
}

package dev.pgbelay.routing;

import dev.pgbelay.core.CommitPosition;
import java.util.OptionalLong;

/**
 * What a session had written or seen may be gone: its position is not known to be part of the
 * history that the cluster has gone on with after a fail-over.
 *
 * @param session whose
 * @param position what it had to see, as far as that is known: of what a node had shown that cannot
 *     be asked any more, the last that it had said before
 * @param timeline the timeline that the cluster is on now
 * @param fork where the position's timeline was left; empty where no probe may ask for it (it takes
 *     {@code REPLICATION}), so that it is not known whether anything is gone
 */
public record LostPosition(
    Session session, CommitPosition position, int timeline, OptionalLong fork) {}

package dev.pgbelay.outbox;

import dev.pgbelay.core.CommitPosition;
import java.util.Optional;
import java.util.Set;

/**
 * Where one call has appended messages: in each of these lanes of each of these destinations, or in
 * some.
 *
 * @param destinations by their ids
 * @param lanes by their numbers
 * @param position of the commit, if it is known
 */
record AppendedMessages(
    Set<Integer> destinations, Set<Integer> lanes, Optional<CommitPosition> position) {}

package dev.pgbelay.outbox;

import java.util.Set;

/**
 * Where one call has appended messages: in each of these lanes of each of these destinations, or in
 * some.
 *
 * @param destinations by their ids
 * @param lanes by their numbers
 */
record AppendedMessages(Set<Integer> destinations, Set<Integer> lanes) {}

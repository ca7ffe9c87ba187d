package dev.pgbelay.reconcile.propagate;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;

/**
 * What a delete does to the children, and to theirs.
 *
 * @param id of the captured delete; 0 for one that has not happened
 * @param reference that is followed
 * @param parentKey as a JSON array of texts; empty for a TRUNCATE
 * @param batch under which {@code UndoLog} has what was taken away
 * @param heldBecause why it waits for {@link Propagation#confirm}; empty if it does not
 * @param rows by reference, so far as they were counted; rows that two ways lead to are counted on
 *     both
 * @param atLeast references with more rows than were counted
 */
public record PropagationPlan(
    long id,
    String reference,
    Optional<String> parentKey,
    Optional<UUID> batch,
    Optional<String> heldBecause,
    Map<String, Long> rows,
    Set<String> atLeast) {
  public PropagationPlan {
    rows = java.util.Collections.unmodifiableMap(new LinkedHashMap<>(rows));
    atLeast = Set.copyOf(atLeast);
  }

  /** All that were counted. */
  public long total() {
    return rows.values().stream().mapToLong(Long::longValue).sum();
  }
}

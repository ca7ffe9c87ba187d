package dev.pgbelay.lock.witness;

import java.util.List;
import java.util.Set;

/**
 * What is kept of an SQL text.
 *
 * @param pieces what it does to locks, in the order in which the server reaches it
 * @param calls the functions that it calls, and other words in front of a bracket
 * @param masked the text as a report may show it
 */
record Footprint(List<Piece> pieces, Set<String> calls, String masked) {
  /** Whether no catalog can add anything. */
  boolean isEmpty() {
    return pieces.isEmpty() && calls.isEmpty();
  }
}

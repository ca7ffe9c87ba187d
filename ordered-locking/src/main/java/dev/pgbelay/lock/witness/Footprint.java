package dev.pgbelay.lock.witness;

import java.util.List;

/**
 * What is kept of an SQL text: its pieces in the order in which the server reaches them, and the
 * text as a report may show it.
 */
record Footprint(List<Piece> pieces, String masked) {
  boolean isEmpty() {
    return pieces.isEmpty();
  }
}

package dev.pgbelay.batch;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A valid unique index.
 *
 * @param immediate false for a deferrable constraint, which cannot decide conflicts
 * @param withoutOverlaps whether its last key is a range that must not overlap another
 * @param predicate of a partial index
 * @param columns attribute numbers of its keys, 0 for an expression
 * @param expressions its keys as SQL, over the columns of the table
 * @param collations quoted, empty where the key has none
 * @param uses attribute numbers of the columns that keys and predicate are made of
 */
record UniqueIndex(
    String name,
    boolean primary,
    boolean immediate,
    boolean withoutOverlaps,
    boolean nullsNotDistinct,
    @Nullable String predicate,
    List<Integer> columns,
    List<String> expressions,
    List<String> collations,
    List<Integer> uses) {

  String describe() {
    return name
        + " ("
        + String.join(", ", expressions)
        + ")"
        + (predicate == null ? "" : " partial")
        + (immediate ? "" : " deferrable")
        + (withoutOverlaps ? " without overlaps" : "");
  }
}

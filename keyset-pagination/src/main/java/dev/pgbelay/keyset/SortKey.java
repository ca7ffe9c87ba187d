package dev.pgbelay.keyset;

import org.jooq.Field;
import org.jooq.SortField;

/**
 * One key of an order.
 *
 * @param label how the key is named to people: in plans, messages, fingerprints
 * @param nullsFirst where NULLs stand; for a key that cannot be NULL, PostgreSQL's default for the
 *     direction, so that a plain index serves it
 */
record SortKey(
    Field<?> field,
    String label,
    KeyType type,
    boolean descending,
    boolean nullable,
    boolean nullsFirst) {

  SortKey on(Field<?> other) {
    return new SortKey(other, label, type, descending, nullable, nullsFirst);
  }

  /** The key as a walk in the other direction meets it: both direction and NULLs turn. */
  SortKey flipped() {
    return new SortKey(field, label, type, !descending, nullable, !nullsFirst);
  }

  SortField<?> orderBy() {
    return orderBy(field);
  }

  SortField<?> orderBy(Field<?> on) {
    SortField<?> order = descending ? on.desc() : on.asc();
    if (nullsFirst == descending) {
      return order;
    }
    return nullsFirst ? order.nullsFirst() : order.nullsLast();
  }

  String describe() {
    String direction = descending ? " desc" : " asc";
    if (nullsFirst == descending) {
      return label + direction;
    }
    return label + direction + (nullsFirst ? " nulls first" : " nulls last");
  }
}

package dev.pgbelay.benchmarks.paging;

/** The orders that are paged through; all filter on one account and end in the unique id. */
enum Shape {
  /** {@code created_at desc, id desc}: one direction, nothing NULL. */
  UNIFORM("uniform"),
  /** {@code created_at desc, id asc}. */
  MIXED("mixed"),
  /**
   * {@code status asc, id desc}: seven statuses, so that every page is deep inside a group of
   * equals.
   */
  LOW_CARDINALITY("low-cardinality"),
  /** {@code resolved_at asc nulls last, id asc}. */
  NULLABLE("nullable");

  private final String label;

  Shape(String label) {
    this.label = label;
  }

  String label() {
    return label;
  }

  /** The part of a round and the metric of that page. */
  String part(long page) {
    return label + "/page-" + page;
  }
}

package dev.pgbelay.benchmarks.paging;

import dev.pgbelay.benchmarks.Work;
import dev.pgbelay.benchmarks.events.Event;
import org.jspecify.annotations.Nullable;

/**
 * A page to be read.
 *
 * @param page its number, from 1
 * @param boundary the last row of the page before it; null for the first page
 * @param expected its rows according to one sorted query
 */
record Target(Shape shape, long page, @Nullable Event boundary, Work expected) {
  static final int PAGE_SIZE = 50;

  String part() {
    return shape.part(page);
  }

  long offset() {
    return (page - 1) * PAGE_SIZE;
  }
}

package dev.pgbelay.benchmarks.paging;

import dev.pgbelay.benchmarks.events.Event;
import java.util.List;

/**
 * Reads one page, again and again: what a request does between taking a connection and giving it
 * back.
 */
@FunctionalInterface
interface PageReader {
  List<Event> read() throws Exception;
}

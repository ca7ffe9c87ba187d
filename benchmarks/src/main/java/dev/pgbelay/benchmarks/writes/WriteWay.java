package dev.pgbelay.benchmarks.writes;

import java.util.List;

/** One way of writing rows, from taking a connection out of the pool to the end of the commit. */
@FunctionalInterface
interface WriteWay {
  void write(List<Item> rows) throws Exception;
}

package dev.pgbelay.benchmarks.writes;

/** Writes one row and returns when it is committed. Used by many threads at once. */
interface RowWriter extends AutoCloseable {
  void write(Item item) throws Exception;

  @Override
  default void close() {}
}

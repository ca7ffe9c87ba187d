package dev.pgbelay.batch;

/** Writes the binary form of one PostgreSQL type, as its receive function reads it. */
interface ValueCodec {
  /** Without the length, which the caller puts in front. */
  void write(Object value, ByteSink out);
}

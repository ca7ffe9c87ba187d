package dev.pgbelay.batch.chunk;

import java.time.Duration;

/** What a run has done so far. Not safe for several threads. */
final class RunCount {
  private final long began = System.nanoTime();
  private long rows;
  private long chunks;
  private long workingNanos;
  private int smallest;
  private int largest;
  long retried;
  long waitedNanos;

  void committed(long changed, long nanos, int size) {
    rows += changed;
    chunks++;
    workingNanos += nanos;
    smallest = smallest == 0 ? size : Math.min(smallest, size);
    largest = Math.max(largest, size);
  }

  ChunkReport report(String job, ChunkReport.Outcome outcome) {
    return new ChunkReport(
        job,
        outcome,
        rows,
        chunks,
        retried,
        smallest,
        largest,
        Duration.ofNanos(System.nanoTime() - began),
        Duration.ofNanos(workingNanos),
        Duration.ofNanos(waitedNanos));
  }
}

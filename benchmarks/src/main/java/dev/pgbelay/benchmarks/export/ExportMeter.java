package dev.pgbelay.benchmarks.export;

import dev.pgbelay.benchmarks.LiveHeap;
import dev.pgbelay.benchmarks.Work;
import dev.pgbelay.benchmarks.events.Event;
import java.util.concurrent.atomic.LongAccumulator;
import java.util.concurrent.atomic.LongAdder;

/**
 * Counts what an export hands out and, when asked to, looks at the live heap on the way: every so
 * many rows it collects all garbage and reads what the memory pools held after that collection,
 * while the export stands in the middle of a page or a result set with all its buffers. Safe for
 * use by parallel readers.
 */
final class ExportMeter {
  private final LongAdder rows = new LongAdder();
  private final LongAdder checksum = new LongAdder();
  private final LongAccumulator peak = new LongAccumulator(Math::max, 0);
  private final long sampleEvery;

  private ExportMeter(long sampleEvery) {
    this.sampleEvery = sampleEvery;
  }

  /** Counts only: no collection disturbs the speed. */
  static ExportMeter ofSpeed() {
    return new ExportMeter(0);
  }

  static ExportMeter ofHeap(long sampleEvery) {
    return new ExportMeter(sampleEvery);
  }

  /** A row that was read and mapped. */
  void row(Event event) {
    count(event.checksum(), event.id());
  }

  /** A line of COPY's output, of which only the bytes are counted. */
  void line(int bytes, long number) {
    count(bytes, number);
  }

  private void count(long addend, long number) {
    rows.increment();
    checksum.add(addend);
    if (sampleEvery > 0 && number % sampleEvery == 0) {
      peak.accumulate(LiveHeap.bytes());
    }
  }

  Work work() {
    return new Work(rows.sum(), checksum.sum());
  }

  /**
   * The largest live heap seen, in bytes: everything reachable in this JVM, its classes' data
   * included.
   */
  long peakLiveBytes() {
    return peak.get();
  }
}

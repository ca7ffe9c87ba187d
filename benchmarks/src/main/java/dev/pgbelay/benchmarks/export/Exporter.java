package dev.pgbelay.benchmarks.export;

import java.util.List;

/**
 * A contestant of the export.
 *
 * @param label its name in the table
 * @param maxHeapMib the heap its JVM may use
 * @param maxRows more rows than this would only cost memory and time
 * @param isCopy whether bytes are counted instead of rows mapped
 */
record Exporter(String label, ExportWay way, int maxHeapMib, long maxRows, boolean isCopy) {
  private static final int SMALL = 256;
  private static final int LARGE = 3_072;

  static final List<Exporter> ALL =
      List.of(
          new Exporter("limit", JdbcExports::copyTo, SMALL, Long.MAX_VALUE, true),
          mapping("pgbelay", KeysetExports::run),
          mapping("pgbelay (snapshot, 1 reader)", KeysetExports.snapshot(1)),
          mapping("pgbelay (snapshot, 2 readers)", KeysetExports.snapshot(2)),
          mapping("hand-written keyset loop", JdbcExports.keysetLoop(1_000)),
          mapping("hand-written keyset loop (10,000)", JdbcExports.keysetLoop(10_000)),
          mapping("server cursor (fetchSize 1,000)", JdbcExports.serverCursor(1_000)),
          new Exporter(
              "driver default (1M rows)", JdbcExports::driverDefault, LARGE, 1_000_000, false));

  private static Exporter mapping(String label, ExportWay way) {
    return new Exporter(label, way, SMALL, Long.MAX_VALUE, false);
  }

  static Exporter named(String label) {
    return ALL.stream()
        .filter(exporter -> exporter.label().equals(label))
        .findFirst()
        .orElseThrow(() -> new IllegalArgumentException("no exporter is named " + label));
  }
}

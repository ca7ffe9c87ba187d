package dev.pgbelay.benchmarks.export;

import javax.sql.DataSource;

/** One way of reading all events up to an id, in whatever order and batches it likes. */
@FunctionalInterface
interface ExportWay {
  /**
   * Hands every row (or every chunk of bytes) to the meter.
   *
   * @param whole whether {@code lastId} is the last one there is
   */
  void export(DataSource dataSource, long lastId, boolean whole, ExportMeter meter)
      throws Exception;
}

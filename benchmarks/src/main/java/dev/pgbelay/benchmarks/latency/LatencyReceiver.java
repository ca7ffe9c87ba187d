package dev.pgbelay.benchmarks.latency;

import java.util.function.LongConsumer;
import javax.sql.DataSource;

/** What begins, in a JVM of its own, with what another one sends; a constant of an enum. */
public interface LatencyReceiver {
  /**
   * Starts it.
   *
   * @param arrived is told of the start of each handler, by {@link System#nanoTime}
   */
  LatencyWay.Running start(DataSource pool, String url, LongConsumer arrived) throws Exception;
}

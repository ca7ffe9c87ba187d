package dev.pgbelay.core.internal;

import java.util.concurrent.atomic.AtomicBoolean;
import org.slf4j.Logger;

/**
 * Counts without letting a registry that fails change what is counted: the first failure is logged,
 * none is thrown. Safe for several threads.
 */
public final class QuietMetrics {
  private final Logger log;
  private final String of;
  private final AtomicBoolean complained = new AtomicBoolean();

  /**
   * @param of whose metrics they are, for the log
   */
  public QuietMetrics(Logger log, String of) {
    this.log = log;
    this.of = of;
  }

  /** Runs it, whatever it throws but an {@link Error}. */
  public void count(Runnable counting) {
    try {
      counting.run();
    } catch (RuntimeException e) {
      if (!complained.getAndSet(true)) {
        log.warn("the metrics of {} fail; its work goes on all the same", of, e);
      }
    }
  }
}

package dev.pgbelay.benchmarks.queue;

import dev.pgbelay.benchmarks.BenchServer;
import dev.pgbelay.benchmarks.BenchSettings;
import dev.pgbelay.benchmarks.Scenario;
import dev.pgbelay.benchmarks.Stage;

/** Whether a queue stays as fast as it began. */
public final class QueueSoakScenario implements Scenario {
  @Override
  public String name() {
    return "queue-soak";
  }

  @Override
  public String description() {
    return "jobs that do nothing for half an hour (--full) or some seconds; --rounds 1 --warm-ups 0"
        + " are enough";
  }

  /** Seconds, not rows. */
  @Override
  public long defaultRows(boolean full) {
    return full ? 1_800 : 12;
  }

  @Override
  public Stage prepare(BenchServer server, BenchSettings settings) {
    return SoakStage.of(
        server.dataSource(),
        settings.rows(),
        SoakContestant.STEADY,
        "the last minute (a quarter, if that is less) against the first");
  }
}

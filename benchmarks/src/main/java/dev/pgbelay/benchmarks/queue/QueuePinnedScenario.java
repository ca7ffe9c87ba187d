package dev.pgbelay.benchmarks.queue;

import dev.pgbelay.benchmarks.BenchServer;
import dev.pgbelay.benchmarks.BenchSettings;
import dev.pgbelay.benchmarks.Scenario;
import dev.pgbelay.benchmarks.Stage;

/** What an old snapshot, which keeps dead rows from being cleaned up, does to a queue. */
public final class QueuePinnedScenario implements Scenario {
  @Override
  public String name() {
    return "queue-pinned";
  }

  @Override
  public String description() {
    return "jobs that do nothing while the horizon is pinned, for six minutes (--full) or some seconds;"
        + " --rounds 1 --warm-ups 0 are enough";
  }

  /** Seconds, not rows. */
  @Override
  public long defaultRows(boolean full) {
    return full ? 540 : 12;
  }

  @Override
  public Stage prepare(BenchServer server, BenchSettings settings) {
    return SoakStage.of(
        server.dataSource(),
        settings.rows(),
        SoakContestant.PINNED,
        "a third of the time without and a third with a transaction that keeps dead rows from being"
            + " cleaned up, then a third at half of the unpinned rate, still with it;"
            + " backlog-seconds is what was left of that at the end");
  }
}

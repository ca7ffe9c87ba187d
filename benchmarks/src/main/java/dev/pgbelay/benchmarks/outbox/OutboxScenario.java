package dev.pgbelay.benchmarks.outbox;

import dev.pgbelay.benchmarks.BenchServer;
import dev.pgbelay.benchmarks.BenchSettings;
import dev.pgbelay.benchmarks.Scenario;
import dev.pgbelay.benchmarks.Stage;

/** Events that are appended with a business row, and delivered meanwhile. */
public final class OutboxScenario implements Scenario {
  @Override
  public String name() {
    return "outbox";
  }

  @Override
  public String description() {
    return "events appended with a business row by %d threads, and delivered meanwhile"
        .formatted(OutboxContestant.PRODUCERS);
  }

  @Override
  public long defaultRows(boolean full) {
    return full ? 200_000 : 20_000;
  }

  @Override
  public Stage prepare(BenchServer server, BenchSettings settings) {
    return OutboxStage.of(OutboxContestant.END_TO_END, server, settings.rows());
  }
}

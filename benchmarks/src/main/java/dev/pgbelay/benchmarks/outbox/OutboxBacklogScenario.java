package dev.pgbelay.benchmarks.outbox;

import dev.pgbelay.benchmarks.BenchServer;
import dev.pgbelay.benchmarks.BenchSettings;
import dev.pgbelay.benchmarks.Scenario;
import dev.pgbelay.benchmarks.Stage;

/** Events that wait for a relay that was away. */
public final class OutboxBacklogScenario implements Scenario {
  @Override
  public String name() {
    return "outbox-backlog";
  }

  @Override
  public String description() {
    return "events that wait already, delivered in the order of their keys";
  }

  @Override
  public long defaultRows(boolean full) {
    return full ? 1_000_000 : 100_000;
  }

  @Override
  public Stage prepare(BenchServer server, BenchSettings settings) {
    return OutboxStage.of(OutboxContestant.BACKLOG, server, settings.rows());
  }
}

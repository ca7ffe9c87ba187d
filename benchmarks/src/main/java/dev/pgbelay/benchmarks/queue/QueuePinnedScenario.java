package dev.pgbelay.benchmarks.queue;

import dev.pgbelay.benchmarks.BenchServer;
import dev.pgbelay.benchmarks.BenchSettings;
import dev.pgbelay.benchmarks.Contestant;
import dev.pgbelay.benchmarks.Scenario;
import dev.pgbelay.benchmarks.Stage;
import java.util.List;
import javax.sql.DataSource;

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
    DataSource pool = server.dataSource();
    long seconds = settings.rows();
    return new PinnedStage(
        List.of(
            new SoakContestant(Stage.LIMIT, new HandWrittenQueue(pool, 4, 500), pool, seconds),
            new SoakContestant("pgbelay", new PgbelayQueue(pool), pool, seconds)));
  }

  private record PinnedStage(List<SoakContestant> all) implements Stage {
    @Override
    public List<String> parts() {
      return List.of(SoakContestant.PINNED);
    }

    @Override
    public List<Contestant> contestants() {
      return List.copyOf(all);
    }

    @Override
    public void close() {
      all.forEach(SoakContestant::close);
    }

    @Override
    public List<String> notes() {
      return List.of(
          "rows are seconds; one thread keeps at most 40,000 jobs waiting while as many as possible"
              + " are worked off",
          "a third of the time without and a third with a transaction that keeps dead rows from being"
              + " cleaned up, then a third at half of the unpinned rate, still with it;"
              + " backlog-seconds is what was left of that at the end");
    }
  }
}

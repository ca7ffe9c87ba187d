package dev.pgbelay.benchmarks.queue;

import dev.pgbelay.benchmarks.BenchServer;
import dev.pgbelay.benchmarks.BenchSettings;
import dev.pgbelay.benchmarks.Contestant;
import dev.pgbelay.benchmarks.Scenario;
import dev.pgbelay.benchmarks.Stage;
import java.util.List;
import javax.sql.DataSource;

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
    DataSource pool = server.dataSource();
    long seconds = settings.rows();
    return new SoakStage(
        List.of(
            new SoakContestant(Stage.LIMIT, new HandWrittenQueue(pool, 4, 500), pool, seconds),
            new SoakContestant("pgbelay", new PgbelayQueue(pool), pool, seconds)));
  }

  private record SoakStage(List<SoakContestant> all) implements Stage {
    @Override
    public List<String> parts() {
      return List.of(SoakContestant.STEADY);
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
          "the last minute (a quarter, if that is less) against the first");
    }
  }
}

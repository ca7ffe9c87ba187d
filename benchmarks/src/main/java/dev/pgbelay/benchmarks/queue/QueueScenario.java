package dev.pgbelay.benchmarks.queue;

import dev.pgbelay.benchmarks.BenchServer;
import dev.pgbelay.benchmarks.BenchSettings;
import dev.pgbelay.benchmarks.Contestant;
import dev.pgbelay.benchmarks.Scenario;
import dev.pgbelay.benchmarks.Stage;
import java.util.List;
import javax.sql.DataSource;

/** Jobs that do nothing, enqueued in bulk and worked off. */
public final class QueueScenario implements Scenario {
  @Override
  public String name() {
    return "queue";
  }

  @Override
  public String description() {
    return "jobs that do nothing: enqueued in bulk, worked off by one process";
  }

  @Override
  public long defaultRows(boolean full) {
    return full ? 1_000_000 : 60_000;
  }

  @Override
  public Stage prepare(BenchServer server, BenchSettings settings) {
    DataSource pool = server.dataSource();
    long jobs = settings.rows();
    return new QueueStage(
        List.of(
            new QueueContestant(Stage.LIMIT, new HandWrittenQueue(pool, 4, 500), jobs),
            new QueueContestant("pgbelay", new PgbelayQueue(pool), jobs),
            new QueueContestant("one by one", new HandWrittenQueue(pool, 8, 1), jobs / 10)));
  }

  private record QueueStage(List<? extends Contestant> all) implements Stage {
    @Override
    public List<String> parts() {
      return List.of("bulk-enqueue", "work");
    }

    @Override
    public List<Contestant> contestants() {
      return List.copyOf(all);
    }

    @Override
    public List<String> notes() {
      return List.of(
          "limit: 4 threads claim 500 (SKIP LOCKED), run, delete 500; enqueue by unnest of 5,000; no"
              + " fence, retry, rescue or record",
          "pgbelay: JobWorker with default settings, 16 threads, results kept in job_finished; through"
              + " the last result written",
          "one by one: 8 threads claim 1, run, delete 1; a tenth of the jobs");
    }
  }
}

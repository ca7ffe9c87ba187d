package dev.pgbelay.benchmarks.queue;

import dev.pgbelay.benchmarks.BenchServer;
import dev.pgbelay.benchmarks.BenchSettings;
import dev.pgbelay.benchmarks.Contestant;
import dev.pgbelay.benchmarks.Scenario;
import dev.pgbelay.benchmarks.Stage;
import dev.pgbelay.benchmarks.queue.PgbelayQueue.With;
import java.util.List;
import javax.sql.DataSource;

/** Jobs that do nothing, worked off. */
public final class QueueScenario implements Scenario {
  @Override
  public String name() {
    return "queue";
  }

  @Override
  public String description() {
    return "jobs that do nothing, worked off by one process with 16 threads";
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
            new QueueContestant(
                "pgbelay (1,000 partition keys)", new PgbelayQueue(pool, With.KEYS), jobs / 2),
            new QueueContestant(
                "pgbelay (limit of the queue)", new PgbelayQueue(pool, With.LIMIT), jobs / 2),
            new QueueContestant(
                "pgbelay (permit of the kind)", new PgbelayQueue(pool, With.PERMIT), jobs / 2),
            new QueueContestant(
                "db-scheduler (lock and fetch 4, 20)", new DbSchedulerQueue(pool), jobs / 4),
            new QueueContestant("JobRunr", new JobRunrQueue(pool), jobs / 30),
            new QueueContestant("one by one", new HandWrittenQueue(pool, 8, 1), jobs / 10)));
  }

  private record QueueStage(List<QueueContestant> all) implements Stage {
    @Override
    public List<String> parts() {
      return List.of("work");
    }

    @Override
    public List<Contestant> contestants() {
      return List.copyOf(all);
    }

    @Override
    public void close() {
      all.forEach(QueueContestant::close);
    }

    @Override
    public List<String> notes() {
      return List.of(
          "limit: 4 threads claim 500 (SKIP LOCKED), run, delete 500; no fence, retry, rescue or"
              + " record",
          "pgbelay: JobWorker with default settings, 16 threads, results kept in job_finished; through"
              + " the last result written",
          "pgbelay (…): half of the jobs; each with one of 1,000 partition keys, under a limit that"
              + " is not reached, or by Permits.byBreaker with a circuit breaker that stays closed",
          "db-scheduler: its fastest setting here, polling every 100 ms; a quarter of the jobs",
          "JobRunr: polling every 5 s, which is its least, and going on while there is work; a"
              + " thirtieth of the jobs, through the last job run",
          "one by one: 8 threads claim 1, run, delete 1; a tenth of the jobs");
    }
  }
}

package dev.pgbelay.benchmarks.queue;

import dev.pgbelay.benchmarks.BenchServer;
import dev.pgbelay.benchmarks.BenchSettings;
import dev.pgbelay.benchmarks.Contestant;
import dev.pgbelay.benchmarks.Scenario;
import dev.pgbelay.benchmarks.Stage;
import java.util.List;
import javax.sql.DataSource;

/** Jobs that are enqueued and not worked on. */
public final class QueueEnqueueScenario implements Scenario {
  @Override
  public String name() {
    return "queue-enqueue";
  }

  @Override
  public String description() {
    return "jobs enqueued in bulk, and one per transaction";
  }

  @Override
  public long defaultRows(boolean full) {
    return full ? 1_000_000 : 60_000;
  }

  @Override
  public Stage prepare(BenchServer server, BenchSettings settings) {
    DataSource pool = server.dataSource();
    long jobs = settings.rows();
    return new EnqueueStage(
        List.of(
            new EnqueueContestant(Stage.LIMIT, new HandWrittenQueue(pool, 4, 500), jobs),
            new EnqueueContestant("pgbelay", new PgbelayQueue(pool), jobs),
            new EnqueueContestant(
                "bare INSERT, by Transactions", new BareInTransactions(pool), jobs, false),
            new EnqueueContestant(
                "pgbelay, enqueue(tx)", PgbelayQueue.inTransaction(pool), jobs, false),
            new EnqueueContestant("db-scheduler", new DbSchedulerQueue(pool), jobs / 4),
            new EnqueueContestant("JobRunr", new JobRunrQueue(pool), jobs / 10)));
  }

  private record EnqueueStage(List<EnqueueContestant> all) implements Stage {
    @Override
    public List<String> parts() {
      return List.of(EnqueueContestant.BULK, EnqueueContestant.ONE_BY_ONE);
    }

    @Override
    public List<Contestant> contestants() {
      return List.copyOf(all);
    }

    @Override
    public void close() {
      all.forEach(EnqueueContestant::close);
    }

    @Override
    public List<String> notes() {
      return List.of(
          "bulk-enqueue: 5,000 jobs in one transaction; limit: INSERT of unnest, which returns no ids",
          "enqueue: 8 threads, one job per transaction, an eighth of the jobs; limit: a bare INSERT in"
              + " autocommit, which returns no id; pgbelay: enqueue(transactions, job)",
          "enqueue(tx) is that of a business transaction, begun and committed for this one job; the fair"
              + " measure for it is the bare INSERT in such a transaction",
          "db-scheduler: scheduleBatch, a quarter of the jobs; JobRunr: enqueue(Stream), a tenth");
    }
  }
}

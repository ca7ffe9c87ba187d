package dev.pgbelay.benchmarks.queue;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.benchmarks.BenchServer;
import dev.pgbelay.benchmarks.BenchSettings;
import dev.pgbelay.benchmarks.Contestant;
import dev.pgbelay.benchmarks.Scenario;
import dev.pgbelay.benchmarks.Stage;
import dev.pgbelay.benchmarks.latency.LatencyContestant;
import dev.pgbelay.benchmarks.latency.LatencySender;
import dev.pgbelay.benchmarks.latency.OtherJvm;
import java.util.List;
import java.util.Map;
import javax.sql.DataSource;

/** How long a job waits that is enqueued while nothing else is to do. */
public final class QueueLatencyScenario implements Scenario {
  private static final String SAME = "same-jvm";
  private static final String OTHER = "other-jvm";

  @Override
  public String name() {
    return "queue-latency";
  }

  @Override
  public String description() {
    return "one job at a time: from the call that enqueues it to the start of its handler";
  }

  @Override
  public long defaultRows(boolean full) {
    return full ? 1_000 : 100;
  }

  @Override
  public Stage prepare(BenchServer server, BenchSettings settings) {
    DataSource pool = server.dataSource();
    int times = (int) Math.min(settings.rows(), Integer.MAX_VALUE);
    HikariDataSource direct = new HikariDataSource(BenchServer.poolConfig(server.jdbcUrl()));
    String url = server.jdbcUrl();
    LatencySender inOne = new QueueSenders.HandWritten(pool, true);
    LatencySender inTwo = new QueueSenders.HandWritten(pool, false);
    return new LatencyStage(
        direct,
        List.of(
            new LatencyContestant(
                Stage.LIMIT,
                Map.of(
                    SAME,
                    new LatencyWays.CommitOnly(pool),
                    OTHER,
                    new OtherJvm(QueueReceiver.LISTEN, inOne, url)),
                times,
                1),
            new LatencyContestant(
                "pgbelay",
                Map.of(
                    SAME,
                    new LatencyWays.Pgbelay(pool),
                    OTHER,
                    new OtherJvm(
                        QueueReceiver.PGBELAY, new QueueSenders.Pgbelay(pool, direct), url)),
                times,
                1),
            new LatencyContestant(
                "hand-written (and a claim)",
                Map.of(OTHER, new OtherJvm(QueueReceiver.LISTEN_AND_CLAIM, inOne, url)),
                times,
                1),
            new LatencyContestant(
                "hand-written (NOTIFY after the commit, and a claim)",
                Map.of(OTHER, new OtherJvm(QueueReceiver.LISTEN_AND_CLAIM, inTwo, url)),
                times,
                1),
            new LatencyContestant(
                "pgbelay (polling every 100 ms)",
                Map.of(
                    OTHER,
                    new OtherJvm(
                        QueueReceiver.PGBELAY_POLLING, new QueueSenders.Pgbelay(pool, null), url)),
                times,
                10),
            new LatencyContestant(
                "db-scheduler (immediate execution)",
                Map.of(SAME, new LatencyWays.DbScheduler(pool)),
                times,
                1),
            new LatencyContestant(
                "db-scheduler (polling every 100 ms)",
                Map.of(
                    OTHER,
                    new OtherJvm(
                        QueueReceiver.DB_SCHEDULER, new QueueSenders.DbScheduler(pool), url)),
                times,
                10)));
  }

  private record LatencyStage(HikariDataSource direct, List<LatencyContestant> all)
      implements Stage {
    @Override
    public void close() {
      direct.close();
    }

    @Override
    public List<String> parts() {
      return List.of(SAME, OTHER);
    }

    @Override
    public List<Contestant> contestants() {
      return List.copyOf(all);
    }

    @Override
    public List<String> notes() {
      return List.of(
          "rows are jobs, enqueued one at a time with 60 ms between them, more than the 50 ms in which"
              + " pgbelay makes one notification of several; those that poll have a tenth",
          "pgbelay enqueues by enqueue(transactions, job)",
          "same-jvm: limit is a bare INSERT in autocommit, until it returns; the worker knows the"
              + " queue that enqueues",
          "other-jvm: the handler, or what listens, is in another process, and its clock is compared"
              + " with this one's through a pipe, some 0.02 ms exact. Limit is an INSERT with NOTIFY in"
              + " one transaction, until a connection that does nothing else hears it; nothing is"
              + " claimed. pgbelay: NOTIFY after the commit, then a claim whose commit is durable; what"
              + " that costs at least is what the two that claim by hand show");
    }
  }
}

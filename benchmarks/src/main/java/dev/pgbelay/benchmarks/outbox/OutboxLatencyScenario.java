package dev.pgbelay.benchmarks.outbox;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.benchmarks.BenchServer;
import dev.pgbelay.benchmarks.BenchSettings;
import dev.pgbelay.benchmarks.Contestant;
import dev.pgbelay.benchmarks.Scenario;
import dev.pgbelay.benchmarks.Stage;
import dev.pgbelay.benchmarks.latency.LatencyContestant;
import dev.pgbelay.benchmarks.latency.LatencyWay;
import dev.pgbelay.benchmarks.latency.OtherJvm;
import java.util.List;
import java.util.Map;
import javax.sql.DataSource;

/** How long a message is on its way while nothing else is, and what it costs whoever appends it. */
public final class OutboxLatencyScenario implements Scenario {
  private static final String SAME = "same-jvm";
  private static final String OTHER = "other-jvm";

  @Override
  public String name() {
    return "outbox-latency";
  }

  @Override
  public String description() {
    return "one message at a time: from its commit to its handler, and what its append costs";
  }

  @Override
  public long defaultRows(boolean full) {
    return full ? 1_000 : 100;
  }

  @Override
  public Stage prepare(BenchServer server, BenchSettings settings) {
    DataSource pool = server.dataSource();
    String url = server.jdbcUrl();
    int times = (int) Math.min(settings.rows(), Integer.MAX_VALUE);
    HikariDataSource direct = new HikariDataSource(BenchServer.poolConfig(url));
    OutboxSenders.HandWritten notifying = new OutboxSenders.HandWritten(pool);
    HandWrittenOutbox byHand = new HandWrittenOutbox(pool, 1, 1);
    return new LatencyStage(
        direct,
        List.of(
            contestant(
                Stage.LIMIT,
                times,
                Map.of(
                    SAME,
                    new OutboxLatencies.CommitOnly(pool),
                    OTHER,
                    new OtherJvm(OutboxReceiver.LISTEN, notifying, url)),
                new NoEvents(pool)),
            contestant(
                "pgbelay",
                times,
                Map.of(
                    SAME,
                    new OutboxLatencies.Pgbelay(pool, url),
                    OTHER,
                    new OtherJvm(
                        OutboxReceiver.PGBELAY, new OutboxSenders.Pgbelay(pool, direct), url)),
                new PgbelayOutbox(pool, url)),
            contestant(
                "pgbelay (strict order)",
                times,
                Map.of(),
                new PgbelayOutbox(pool, url).inStrictOrder()),
            contestant(
                "hand-written (and a read)",
                times,
                Map.of(OTHER, new OtherJvm(OutboxReceiver.LISTEN_AND_READ, notifying, url)),
                byHand),
            contestant(
                "transaction-outbox",
                times,
                Map.of(SAME, new OutboxLatencies.Gruelbox(pool)),
                new GruelboxOutbox(pool))));
  }

  private static Contestant contestant(
      String name, int times, Map<String, LatencyWay> ways, OutboxWay producer) {
    return new ProducerCost(new LatencyContestant(name, ways, times, 1), producer, times);
  }

  private record LatencyStage(HikariDataSource direct, List<Contestant> contestants)
      implements Stage {
    @Override
    public void close() {
      direct.close();
    }

    @Override
    public List<String> parts() {
      return List.of(SAME, OTHER, ProducerCost.PART);
    }

    @Override
    public List<String> notes() {
      return List.of(
          "rows are messages, one at a time with 60 ms between them; transaction-outbox is 4.2.268",
          "same-jvm, other-jvm: from the moment in which the business transaction has nothing left"
              + " but its COMMIT, so with the COMMIT's own round trip and its wait for the disk, to"
              + " the start of the handler; before it the message is appended, nothing else",
          "same-jvm: limit is a bare INSERT in autocommit, until it returns",
          "other-jvm: the handler, or what listens, is in another process, and its clock is compared"
              + " with this one's through a pipe, some 0.02 ms exact. Limit is an INSERT with NOTIFY"
              + " in one autocommit statement, until a connection that does nothing else hears it;"
              + " the one by hand then reads the message, too. pgbelay: NOTIFY after the commit",
          "producer: a whole business transaction by one thread without pauses, ten times as many;"
              + " limit is the business row without an event, hand-written the row and a bare"
              + " INSERT of the event");
    }
  }
}

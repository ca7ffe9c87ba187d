package dev.pgbelay.benchmarks.outbox;

import dev.pgbelay.benchmarks.latency.LatencyWay;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.outbox.Outbox;
import dev.pgbelay.outbox.OutboxRelay;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.time.Duration;
import java.util.function.LongConsumer;
import javax.sql.DataSource;

/** The ways within one JVM. */
final class OutboxLatencies {
  private OutboxLatencies() {}

  /** A bare INSERT in autocommit, and the event is there when it returns. */
  static final class CommitOnly implements LatencyWay {
    private final DataSource pool;
    private LongConsumer arrived = at -> {};

    CommitOnly(DataSource pool) {
      this.pool = pool;
    }

    @Override
    public Running start(LongConsumer onArrival) throws SQLException {
      arrived = onArrival;
      Orders.execute(pool, OutboxSql.CREATE);
      return () -> {};
    }

    @Override
    public long send() throws SQLException {
      try (Connection connection = pool.getConnection();
          PreparedStatement append = connection.prepareStatement(OutboxSql.APPEND)) {
        long start = System.nanoTime();
        OutboxSenders.HandWritten.insert(append);
        arrived.accept(System.nanoTime());
        return start;
      }
    }
  }

  /** The library: the relay knows the outbox that appends. */
  static final class Pgbelay implements LatencyWay {
    private final DataSource pool;
    private final Transactions transactions;
    private final Outbox outbox = Outbox.create();
    private final PgbelayOutbox tables;

    Pgbelay(DataSource pool, String url) {
      this.pool = pool;
      this.transactions = Transactions.of(pool);
      this.tables = new PgbelayOutbox(pool, url);
    }

    @Override
    public Running start(LongConsumer arrived) throws SQLException {
      Orders.execute(pool, OutboxSql.RESET_PGBELAY);
      OutboxRelay relay =
          OutboxRelay.builder(transactions, tables.heartbeats())
              .deliver(PgbelayOutbox.destination(payload -> arrived.accept(System.nanoTime())))
              .wokenBy(outbox)
              .build();
      relay.start();
      return () -> relay.stop(Duration.ofSeconds(10));
    }

    @Override
    public long send() {
      return OutboxSenders.append(transactions, outbox, PgbelayOutbox.message(1, "customer"));
    }

    @Override
    public void close() {
      tables.close();
    }
  }

  /** transaction-outbox hands the entry to its executor once it is committed. */
  static final class Gruelbox implements LatencyWay {
    private final DataSource pool;
    private final GruelboxOutbox outbox;

    Gruelbox(DataSource pool) {
      this.pool = pool;
      this.outbox = new GruelboxOutbox(pool);
    }

    @Override
    public Running start(LongConsumer arrived) throws SQLException {
      Orders.execute(pool, OutboxSql.RESET_GRUELBOX);
      OutboxWay.Relay relay = outbox.relay(payload -> arrived.accept(System.nanoTime()));
      return () -> {
        try {
          relay.stop();
        } catch (InterruptedException e) {
          throw e;
        } catch (Exception e) {
          throw new IllegalStateException(e);
        }
      };
    }

    @Override
    public long send() throws Exception {
      return outbox.send("1");
    }

    @Override
    public void close() {
      outbox.close();
    }
  }
}

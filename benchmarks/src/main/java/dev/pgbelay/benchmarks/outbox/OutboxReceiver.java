package dev.pgbelay.benchmarks.outbox;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.benchmarks.BenchServer;
import dev.pgbelay.benchmarks.latency.BareListener;
import dev.pgbelay.benchmarks.latency.LatencyReceiver;
import dev.pgbelay.benchmarks.latency.LatencyWay;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.wakeup.WakeUps;
import dev.pgbelay.outbox.OutboxRelay;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.function.LongConsumer;
import javax.sql.DataSource;

/** What delivers messages that another JVM appends. */
enum OutboxReceiver implements LatencyReceiver {
  /** A connection that does nothing but listen. */
  LISTEN {
    @Override
    public LatencyWay.Running start(DataSource pool, String url, LongConsumer arrived)
        throws SQLException {
      return BareListener.listen(url, OutboxSql.LISTEN, () -> arrived.accept(System.nanoTime()));
    }
  },

  /** A connection that listens, and one that reads what has come and then deletes it. */
  LISTEN_AND_READ {
    @Override
    public LatencyWay.Running start(DataSource pool, String url, LongConsumer arrived)
        throws SQLException {
      Connection reading = DriverManager.getConnection(url);
      PreparedStatement read = reading.prepareStatement(OutboxSql.READ_ONE);
      PreparedStatement delete = reading.prepareStatement(OutboxSql.DELETE_ONE);
      LatencyWay.Running listening =
          BareListener.listen(
              url,
              OutboxSql.LISTEN,
              () -> {
                try (ResultSet row = read.executeQuery()) {
                  if (row.next()) {
                    arrived.accept(System.nanoTime());
                    delete.setLong(1, row.getLong(1));
                    delete.executeUpdate();
                  }
                }
              });
      return () -> {
        listening.stop();
        try {
          reading.close();
        } catch (SQLException e) {
          throw new IllegalStateException(e);
        }
      };
    }
  },

  /** A relay of the library that hears notifications. */
  PGBELAY {
    @Override
    public LatencyWay.Running start(DataSource pool, String url, LongConsumer arrived)
        throws InterruptedException {
      HikariDataSource direct = new HikariDataSource(BenchServer.poolConfig(url));
      WakeUps listening = WakeUps.builder(direct).build();
      OutboxRelay relay =
          OutboxRelay.builder(Transactions.of(pool), direct)
              .deliver(PgbelayOutbox.destination(payload -> arrived.accept(System.nanoTime())))
              .wokenBy(listening)
              .build();
      listening.start();
      relay.start();
      while (!listening.isHealthy()) {
        TimeUnit.MILLISECONDS.sleep(10);
      }
      return () -> {
        relay.stop(Duration.ofSeconds(10));
        listening.close();
        direct.close();
      };
    }
  };
}

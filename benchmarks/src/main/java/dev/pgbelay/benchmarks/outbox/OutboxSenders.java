package dev.pgbelay.benchmarks.outbox;

import dev.pgbelay.benchmarks.latency.LatencySender;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.wakeup.WakeUps;
import dev.pgbelay.outbox.NewMessage;
import dev.pgbelay.outbox.Outbox;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;

/** Append messages that another JVM delivers. */
final class OutboxSenders {
  private OutboxSenders() {}

  /** When the transaction's work had returned, and nothing was left but its COMMIT. */
  static long append(Transactions transactions, Outbox outbox, NewMessage message) {
    AtomicLong before = new AtomicLong();
    transactions.execute(
        tx -> {
          outbox.append(tx, message);
          before.set(System.nanoTime());
        });
    return before.get();
  }

  /** INSERT and NOTIFY in one statement of its own. */
  record HandWritten(DataSource pool) implements LatencySender {
    private static final byte[] PAYLOAD = "x".getBytes(StandardCharsets.UTF_8);

    @Override
    public void reset() throws SQLException {
      Orders.execute(pool, OutboxSql.CREATE);
    }

    @Override
    public long send() throws SQLException {
      try (Connection connection = pool.getConnection();
          PreparedStatement append = connection.prepareStatement(OutboxSql.NOTIFY_APPENDED)) {
        long start = System.nanoTime();
        insert(append);
        return start;
      }
    }

    static void insert(PreparedStatement append) throws SQLException {
      append.setString(1, "customer");
      append.setBytes(2, PAYLOAD);
      append.execute();
    }
  }

  /** The library; the relay is elsewhere. */
  static final class Pgbelay implements LatencySender {
    private final DataSource pool;
    private final DataSource direct;
    private final Transactions transactions;
    private Outbox outbox = Outbox.create();
    private @Nullable WakeUps sending;

    Pgbelay(DataSource pool, DataSource direct) {
      this.pool = pool;
      this.direct = direct;
      this.transactions = Transactions.of(pool);
      PgbelayOutbox.install(pool, transactions);
    }

    @Override
    public void reset() throws Exception {
      Orders.execute(pool, OutboxSql.RESET_PGBELAY);
      WakeUps wakeUps = WakeUps.builder(direct).build();
      sending = wakeUps;
      outbox = Outbox.builder().announcedBy(wakeUps).build();
      wakeUps.start();
      while (!wakeUps.isHealthy()) {
        TimeUnit.MILLISECONDS.sleep(10);
      }
    }

    @Override
    public long send() {
      return append(transactions, outbox, PgbelayOutbox.message(1, "customer"));
    }

    @Override
    public void stop() {
      if (sending != null) {
        sending.close();
      }
    }
  }
}

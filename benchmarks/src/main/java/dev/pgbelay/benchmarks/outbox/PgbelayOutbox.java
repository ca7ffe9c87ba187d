package dev.pgbelay.benchmarks.outbox;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.benchmarks.BenchServer;
import dev.pgbelay.benchmarks.Counts;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.outbox.Delivery;
import dev.pgbelay.outbox.Destination;
import dev.pgbelay.outbox.Message;
import dev.pgbelay.outbox.MessagePublisher;
import dev.pgbelay.outbox.NewMessage;
import dev.pgbelay.outbox.Outbox;
import dev.pgbelay.outbox.OutboxRelay;
import dev.pgbelay.outbox.route.Routes;
import java.nio.charset.StandardCharsets;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.stream.LongStream;
import javax.sql.DataSource;

/** The library with its default settings, in the order of the keys. */
final class PgbelayOutbox implements OutboxWay {
  private static final String TOPIC = "orders";
  private static final String DESTINATION = "bench";

  private final DataSource pool;
  private final Transactions transactions;
  private final Outbox outbox = Outbox.create();
  private final HikariDataSource heartbeats;

  PgbelayOutbox(DataSource pool, String url) {
    this.pool = pool;
    HikariConfig one = BenchServer.poolConfig(url);
    one.setMaximumPoolSize(1);
    this.heartbeats = new HikariDataSource(one);
    this.transactions = Transactions.of(pool);
    SchemaInstaller.builder(pool).modules("outbox").build().install();
    transactions.execute(tx -> Routes.create().add(tx, TOPIC, DESTINATION));
  }

  @Override
  public void reset() throws SQLException {
    Orders.create(pool);
    Orders.execute(pool, OutboxSql.RESET_PGBELAY);
  }

  @Override
  public void produce(long number, String key) throws Exception {
    transactions.execute(
        tx -> {
          Orders.place(tx.connection(), number, key);
          outbox.append(tx, message(number, key));
        });
  }

  @Override
  public void fill(long from, long to, Keys keys) {
    List<NewMessage> messages =
        LongStream.range(from, to).mapToObj(number -> message(number, keys.of(number))).toList();
    transactions.execute(tx -> outbox.appendAll(tx, messages));
  }

  private static NewMessage message(long number, String key) {
    return NewMessage.text(TOPIC, Long.toString(number)).withKey(key);
  }

  @Override
  public Relay relay(Delivered delivered) {
    OutboxRelay relay =
        OutboxRelay.builder(transactions, heartbeats)
            .deliver(Destination.of(DESTINATION, new NoOp(delivered)))
            .wokenBy(outbox)
            .build();
    relay.start();
    return () -> relay.stop(Duration.ofSeconds(10));
  }

  @Override
  public long left() throws SQLException {
    return Counts.of(pool, OutboxSql.LEFT_PGBELAY);
  }

  @Override
  public void close() {
    heartbeats.close();
  }

  /** Takes what comes at once. */
  private record NoOp(Delivered delivered) implements MessagePublisher {
    private static final int MOST = 500;

    @Override
    public List<Delivery> publish(List<Message> messages) {
      messages.forEach(
          message -> delivered.message(new String(message.payload(), StandardCharsets.UTF_8)));
      return messages.stream().map(message -> Delivery.delivered()).toList();
    }

    @Override
    public int batchSize() {
      return MOST;
    }
  }
}

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
import java.util.function.Consumer;
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
  private boolean strict;

  PgbelayOutbox(DataSource pool, String url) {
    this.pool = pool;
    HikariConfig one = BenchServer.poolConfig(url);
    one.setMaximumPoolSize(1);
    this.heartbeats = new HikariDataSource(one);
    this.transactions = Transactions.of(pool);
    install(pool, transactions);
  }

  static void install(DataSource pool, Transactions transactions) {
    SchemaInstaller.builder(pool).modules("outbox").build().install();
    transactions.execute(tx -> Routes.create().add(tx, TOPIC, DESTINATION));
  }

  static Destination destination(Consumer<String> delivered) {
    return Destination.of(DESTINATION, new NoOp(delivered));
  }

  HikariDataSource heartbeats() {
    return heartbeats;
  }

  /** Has each append wait for others of its key. */
  PgbelayOutbox inStrictOrder() {
    strict = true;
    return this;
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
          NewMessage message = message(number, key);
          outbox.append(tx, strict ? message.withStrictOrder() : message);
        });
  }

  @Override
  public void fill(long from, long to, Keys keys) {
    List<NewMessage> messages =
        LongStream.range(from, to).mapToObj(number -> message(number, keys.of(number))).toList();
    transactions.execute(tx -> outbox.appendAll(tx, messages));
  }

  static NewMessage message(long number, String key) {
    return NewMessage.text(TOPIC, Long.toString(number)).withKey(key);
  }

  @Override
  public Relay relay(Consumer<String> delivered) {
    OutboxRelay relay =
        OutboxRelay.builder(transactions, heartbeats)
            .deliver(destination(delivered))
            .wokenBy(outbox)
            .build();
    relay.start();
    return () -> relay.stop(Duration.ofSeconds(10));
  }

  @Override
  public long orders() throws SQLException {
    return Orders.count(pool);
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
  private record NoOp(Consumer<String> delivered) implements MessagePublisher {
    private static final int MOST = 500;

    @Override
    public List<Delivery> publish(List<Message> messages) {
      messages.forEach(
          message -> delivered.accept(new String(message.payload(), StandardCharsets.UTF_8)));
      return messages.stream().map(message -> Delivery.delivered()).toList();
    }

    @Override
    public int batchSize() {
      return MOST;
    }
  }
}

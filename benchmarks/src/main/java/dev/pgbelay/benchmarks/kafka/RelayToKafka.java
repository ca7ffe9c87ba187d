package dev.pgbelay.benchmarks.kafka;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.benchmarks.BenchServer;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.kafka.KafkaPublisher;
import dev.pgbelay.outbox.Destination;
import dev.pgbelay.outbox.NewMessage;
import dev.pgbelay.outbox.Outbox;
import dev.pgbelay.outbox.OutboxRelay;
import dev.pgbelay.outbox.route.Routes;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.jooq.DSLContext;
import org.jooq.Record;
import org.jooq.SQLDialect;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jspecify.annotations.Nullable;

/** The library from the table to the broker, and back to the last acknowledgement. */
final class RelayToKafka implements KafkaWay {
  private static final String TOPIC = "orders";
  private static final String DESTINATION = "kafka";
  private static final int BULK = 5_000;
  private static final Table<Record> MESSAGES = DSL.table(DSL.name("pgbelay", "outbox_message"));

  private final Transactions transactions;
  private final DSLContext dsl;
  private final HikariDataSource heartbeats;
  private final KafkaPublisher publisher;
  private final int concurrency;
  private volatile String kafkaTopic = TOPIC;
  private @Nullable OutboxRelay relay;

  RelayToKafka(BenchServer server, BenchBroker broker, int concurrency) {
    this.concurrency = concurrency;
    HikariConfig one = BenchServer.poolConfig(server.jdbcUrl());
    one.setMaximumPoolSize(1);
    this.heartbeats = new HikariDataSource(one);
    this.dsl = DSL.using(server.dataSource(), SQLDialect.POSTGRES);
    this.transactions = Transactions.of(server.dataSource());
    SchemaInstaller.builder(server.dataSource()).modules("outbox").build().install();
    transactions.execute(tx -> Routes.create().add(tx, TOPIC, DESTINATION));
    this.publisher =
        KafkaPublisher.builder(Map.of("bootstrap.servers", broker.bootstrap()))
            .topic(message -> kafkaTopic)
            .build();
  }

  @Override
  public void prepare(String topic, int messages) {
    kafkaTopic = topic;
    Outbox outbox = Outbox.create();
    String payload = "x".repeat(KafkaContestant.PAYLOAD);
    for (int from = 0; from < messages; from += BULK) {
      List<NewMessage> bulk =
          IntStream.range(from, Math.min(from + BULK, messages))
              .mapToObj(i -> NewMessage.text(TOPIC, payload).withKey(KafkaContestant.key(i)))
              .toList();
      transactions.execute(tx -> outbox.appendAll(tx, bulk));
    }
  }

  @Override
  public void send() throws InterruptedException {
    OutboxRelay started =
        OutboxRelay.builder(transactions, heartbeats)
            .deliver(Destination.of(DESTINATION, publisher).withConcurrency(concurrency))
            .build();
    relay = started;
    started.start();
    while (dsl.fetchExists(MESSAGES)) {
      TimeUnit.MILLISECONDS.sleep(5);
    }
  }

  @Override
  public void end() {
    if (relay != null) {
      relay.close();
    }
  }

  @Override
  public void close() {
    publisher.close();
    heartbeats.close();
  }
}

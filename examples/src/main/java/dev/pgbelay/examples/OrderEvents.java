package dev.pgbelay.examples;

import static org.jooq.impl.DSL.constraint;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.table;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.kafka.KafkaHeaders;
import dev.pgbelay.kafka.KafkaPublisher;
import dev.pgbelay.outbox.Destination;
import dev.pgbelay.outbox.NewMessage;
import dev.pgbelay.outbox.Outbox;
import dev.pgbelay.outbox.OutboxRelay;
import dev.pgbelay.outbox.inbox.Inbox;
import dev.pgbelay.outbox.route.Routes;
import dev.pgbelay.testing.PostgresCluster;
import java.io.PrintStream;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import javax.sql.DataSource;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.SQLDialect;
import org.jooq.Table;
import org.jooq.exception.IntegrityConstraintViolationException;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;

/**
 * An order is placed, billing hears of it through Kafka and writes an invoice. An order that is
 * refused sends no event; a consumer that dies between its invoices and its offsets is given the
 * same events again, and writes no second invoice.
 */
public final class OrderEvents {
  private static final Table<Record> PURCHASE = table(name("purchase"));
  private static final Table<Record> INVOICE = table(name("invoice"));
  private static final Field<String> NUMBER =
      field(name("number"), SQLDataType.VARCHAR(50).nullable(false));

  /** Of the invoice; no key of its table, so that a second invoice would be seen. */
  private static final Field<String> PURCHASE_NUMBER =
      field(name("purchase_number"), SQLDataType.VARCHAR(50).nullable(false));

  private static final String TOPIC = "purchases";

  private final DataSource dataSource;
  private final DataSource heartbeats;
  private final String brokers;
  private final Transactions transactions;
  private final Outbox outbox = Outbox.create();
  private final Inbox inbox = Inbox.create();

  OrderEvents(DataSource dataSource, DataSource heartbeats, String brokers) {
    this.dataSource = dataSource;
    this.heartbeats = heartbeats;
    this.brokers = brokers;
    this.transactions = Transactions.of(dataSource);
  }

  /** Needs a broker with a topic {@value #TOPIC}; its address is the argument. */
  public static void main(String[] args) throws Exception {
    String brokers = args.length == 0 ? "localhost:9092" : args[0];
    try (PostgresCluster cluster = PostgresCluster.builder().start();
        HikariDataSource pool = pool(cluster.primary().jdbcUrl(), 8);
        HikariDataSource heartbeats = pool(cluster.primary().jdbcUrl(), 1)) {
      new OrderEvents(pool, heartbeats, brokers).run(System.out);
    }
  }

  private static HikariDataSource pool(String url, int size) {
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(url);
    config.setMaximumPoolSize(size);
    return new HikariDataSource(config);
  }

  void run(PrintStream out) throws Exception {
    createTables();
    try (KafkaPublisher publisher =
            KafkaPublisher.builder(Map.of("bootstrap.servers", brokers)).build();
        OutboxRelay relay = relay(publisher)) {
      relay.start();
      transactions.execute(tx -> place(tx, "order-1"));
      try {
        transactions.execute(tx -> place(tx, "order-1"));
      } catch (IntegrityConstraintViolationException refused) {
        out.println("a second order-1 is refused");
      }
      transactions.execute(tx -> place(tx, "order-2"));
      try (KafkaConsumer<String, String> dying = consumer()) {
        poll(out, dying, 2);
        // closed here without its offsets, as if it had been killed
      }
      try (KafkaConsumer<String, String> next = consumer()) {
        poll(out, next, 2);
        next.commitSync();
      }
    }
    out.println(DSL.using(dataSource, SQLDialect.POSTGRES).fetchCount(INVOICE) + " invoices");
  }

  // tag::place[]
  void place(Tx tx, String number) {
    outbox.append(tx, NewMessage.text(TOPIC, number).withKey(number).withType("purchase-placed"));
    tx.dsl().insertInto(PURCHASE).set(NUMBER, number).execute(); // fails: nothing was appended
  }

  // end::place[]

  private void createTables() {
    var dsl = DSL.using(dataSource, SQLDialect.POSTGRES);
    dsl.createTable(PURCHASE).column(NUMBER).constraint(constraint().primaryKey(NUMBER)).execute();
    dsl.createTable(INVOICE).column(PURCHASE_NUMBER).execute();
    // tag::setup[]
    SchemaInstaller.builder(dataSource).modules("outbox").build().install();
    transactions.execute(tx -> Routes.create().add(tx, TOPIC, "kafka"));
    // end::setup[]
  }

  // tag::relay[]
  private OutboxRelay relay(KafkaPublisher publisher) {
    return OutboxRelay.builder(transactions, heartbeats)
        .deliver(Destination.of("kafka", publisher))
        .wokenBy(outbox)
        .build();
  }

  // end::relay[]

  // tag::consumer[]
  private KafkaConsumer<String, String> consumer() {
    KafkaConsumer<String, String> consumer =
        new KafkaConsumer<>(
            Map.of(
                "bootstrap.servers", brokers,
                "group.id", "billing",
                "enable.auto.commit", "false", // offsets follow the transactions, never lead them
                "auto.offset.reset", "earliest"),
            new StringDeserializer(),
            new StringDeserializer());
    consumer.subscribe(List.of(TOPIC));
    return consumer;
  }

  private Inbox.Outcome bill(ConsumerRecord<String, String> record) {
    String id = KafkaHeaders.messageId(record.headers()).orElseThrow();
    return transactions.run(
        tx ->
            inbox.process(
                tx,
                id,
                "billing",
                same ->
                    same.dsl().insertInto(INVOICE).set(PURCHASE_NUMBER, record.value()).execute()));
  }

  // end::consumer[]

  private void poll(PrintStream out, KafkaConsumer<String, String> consumer, int records) {
    for (int seen = 0; seen < records; ) {
      ConsumerRecords<String, String> polled = consumer.poll(Duration.ofMillis(200));
      for (ConsumerRecord<String, String> record : polled) {
        out.println(record.value() + " is billed: " + bill(record));
      }
      seen += polled.count();
    }
  }
}

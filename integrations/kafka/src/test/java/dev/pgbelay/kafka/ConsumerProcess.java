package dev.pgbelay.kafka;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.outbox.inbox.Inbox;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.StringDeserializer;

/**
 * A consumer as the guide has it: each record's effect and its mark in one transaction, offsets
 * after them. Stands still after so many effects, before their offsets are committed, so that it
 * can be killed there; else it ends once it has seen everything.
 */
final class ConsumerProcess {
  static final String HANGS = "hangs";

  private ConsumerProcess() {}

  public static void main(String[] args) throws Exception {
    String topic = args[2];
    int hangAfter = Integer.parseInt(args[3]);
    int records = Integer.parseInt(args[4]);
    HikariConfig pool = new HikariConfig();
    pool.setJdbcUrl(args[0]);
    pool.setMaximumPoolSize(1);
    Map<String, Object> settings =
        Map.of(
            "bootstrap.servers", args[1],
            "group.id", "billing",
            "enable.auto.commit", "false",
            "auto.offset.reset", "earliest",
            "max.poll.records", "10",
            "session.timeout.ms", "2000",
            "heartbeat.interval.ms", "500");
    try (HikariDataSource dataSource = new HikariDataSource(pool);
        KafkaConsumer<String, String> consumer =
            new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer())) {
      Transactions transactions = Transactions.of(dataSource);
      Inbox inbox = Inbox.create();
      consumer.subscribe(List.of(topic));
      int effects = 0;
      int duplicates = 0;
      while (!isAtEnd(consumer, records)) {
        ConsumerRecords<String, String> polled = consumer.poll(Duration.ofMillis(200));
        for (ConsumerRecord<String, String> record : polled) {
          if (process(transactions, inbox, record) == Inbox.Outcome.DUPLICATE) {
            duplicates++;
          } else if (++effects == hangAfter) {
            System.out.println(HANGS);
            new CountDownLatch(1).await();
          }
        }
        consumer.commitSync();
      }
      System.out.println(effects + " effects, " + duplicates + " duplicates");
    }
  }

  private static Inbox.Outcome process(
      Transactions transactions, Inbox inbox, ConsumerRecord<String, String> record) {
    String id = KafkaHeaders.messageId(record.headers()).orElseThrow();
    return transactions.run(
        tx ->
            inbox.process(
                tx,
                id,
                "billing",
                same -> same.dsl().execute("insert into effect (id) values (?)", id)));
  }

  private static boolean isAtEnd(KafkaConsumer<String, String> consumer, int records) {
    return consumer.assignment().stream().mapToLong(consumer::position).sum() >= records;
  }
}

package dev.pgbelay.kafka;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.outbox.inbox.Inbox;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;

/**
 * Writes an effect for each record, marked in the inbox of the same transaction, and commits its
 * offsets behind that: as the guide says.
 */
final class StormConsumer implements AutoCloseable {
  static final String GROUP = "billing";

  private final Transactions transactions;
  private final String topic;
  private final boolean withInbox;
  private final Inbox inbox = Inbox.create();
  private final KafkaConsumer<String, String> consumer;
  private volatile boolean stopped;
  private final AtomicInteger processed = new AtomicInteger();

  StormConsumer(HikariDataSource pool, String bootstrap, String topic, boolean withInbox) {
    this.transactions = Transactions.of(pool);
    this.topic = topic;
    this.withInbox = withInbox;
    this.consumer =
        new KafkaConsumer<>(
            Map.of(
                "bootstrap.servers", bootstrap,
                "group.id", GROUP,
                "enable.auto.commit", "false",
                "auto.offset.reset", "earliest",
                "default.api.timeout.ms", "5000",
                "request.timeout.ms", "3000",
                "max.poll.records", "100"),
            new StringDeserializer(),
            new StringDeserializer());
  }

  void stop() {
    stopped = true;
  }

  /** Records whose offsets are committed. */
  int processed() {
    return processed.get();
  }

  void run() throws InterruptedException {
    boolean assigned = false;
    int uncommitted = 0;
    while (!stopped) {
      try {
        if (!assigned) {
          List<TopicPartition> partitions =
              consumer.partitionsFor(topic).stream()
                  .map(info -> new TopicPartition(info.topic(), info.partition()))
                  .toList();
          if (partitions.isEmpty()) {
            throw new KafkaException("the broker does not know the topic yet");
          }
          consumer.assign(partitions);
          assigned = true;
        }
        ConsumerRecords<String, String> polled = consumer.poll(Duration.ofMillis(100));
        if (!polled.isEmpty()) {
          process(polled);
          uncommitted += polled.count();
        }
        if (uncommitted > 0) {
          consumer.commitSync();
          processed.addAndGet(uncommitted);
          uncommitted = 0;
        }
      } catch (KafkaException e) {
        // The broker is away; offsets of what was processed are committed later.
        System.out.println(e);
        Thread.sleep(50);
      }
    }
  }

  /** Does not go on before all of it is done: the order is that of the partition. */
  private void process(ConsumerRecords<String, String> polled) throws InterruptedException {
    for (TopicPartition partition : polled.partitions()) {
      List<ConsumerRecord<String, String>> records = polled.records(partition);
      while (!stopped) {
        try {
          transactions.execute(tx -> process(tx, records));
          break;
        } catch (RuntimeException e) {
          System.out.println(e);
          Thread.sleep(20);
        }
      }
    }
    if (stopped) {
      throw new KafkaException("stopped, perhaps before all was done");
    }
  }

  private void process(Tx tx, List<ConsumerRecord<String, String>> records) {
    if (withInbox) {
      inbox.processAll(tx, "billing", records, StormConsumer::id, StormConsumer::write);
    } else {
      write(tx, records);
    }
  }

  private static String id(ConsumerRecord<String, String> record) {
    return KafkaHeaders.messageId(record.headers()).orElseThrow();
  }

  private static void write(Tx tx, List<? extends ConsumerRecord<String, String>> records) {
    String[] ids = new String[records.size()];
    String[] keys = new String[records.size()];
    for (int i = 0; i < ids.length; i++) {
      ids[i] = id(records.get(i));
      keys[i] = records.get(i).key();
    }
    tx.dsl()
        .execute(
            "insert into storm_effect (message_id, key) select id, key"
                + " from unnest(?::text[], ?::text[]) with ordinality as u (id, key, n) order by n",
            ids,
            keys);
  }

  @Override
  public void close() {
    consumer.close();
  }
}

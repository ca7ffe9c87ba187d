package dev.pgbelay.kafka;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.pgbelay.outbox.Delivery;
import dev.pgbelay.outbox.Message;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * The publisher beside a bare idempotent producer on one broker, in turns. A main program: nothing
 * is asserted about speed. Arguments: messages, rounds.
 */
final class PublisherSpeed {
  private static final int BATCH = 1_000;

  private PublisherSpeed() {}

  public static void main(String[] args) throws Exception {
    int count = Integer.parseInt(args[0]);
    int rounds = Integer.parseInt(args[1]);
    try (KafkaBroker broker = KafkaBroker.start()) {
      broker.createTopic("speed", 4, Map.of());
      List<Message> messages = new ArrayList<>();
      for (int i = 0; i < count; i++) {
        messages.add(Messages.of("speed", "key-" + i % 200, "x".repeat(200)));
      }
      for (int round = 0; round < rounds; round++) {
        System.out.println(
            "bare producer      " + perSecond(count, () -> bare(broker, messages, 16)));
        System.out.println(
            "bare, 128 KiB      " + perSecond(count, () -> bare(broker, messages, 128)));
        System.out.println(
            "publisher          " + perSecond(count, () -> publish(broker, messages)));
      }
    }
    System.exit(0);
  }

  private interface Sending {
    void run() throws Exception;
  }

  private static long perSecond(int count, Sending sending) throws Exception {
    long begin = System.nanoTime();
    sending.run();
    return Math.round(count / ((System.nanoTime() - begin) / 1e9));
  }

  private static void bare(KafkaBroker broker, List<Message> messages, int kib) throws Exception {
    Map<String, Object> settings =
        Map.of(
            "bootstrap.servers",
            broker.bootstrap(),
            "acks",
            "all",
            "enable.idempotence",
            "true",
            "batch.size",
            Integer.toString(kib * 1024));
    try (KafkaProducer<byte[], byte[]> producer =
        new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer())) {
      List<Future<RecordMetadata>> sent = new ArrayList<>();
      for (Message message : messages) {
        sent.add(
            producer.send(
                new ProducerRecord<>(
                    "speed", message.key().orElseThrow().getBytes(UTF_8), message.payload())));
      }
      producer.flush();
      for (Future<RecordMetadata> record : sent) {
        record.get();
      }
    }
  }

  private static void publish(KafkaBroker broker, List<Message> messages) throws Exception {
    try (KafkaPublisher publisher =
        KafkaPublisher.builder(Map.of("bootstrap.servers", broker.bootstrap())).build()) {
      for (int from = 0; from < messages.size(); from += BATCH) {
        for (Delivery delivery :
            publisher.publish(messages.subList(from, Math.min(from + BATCH, messages.size())))) {
          if (delivery.outcome() != Delivery.Outcome.DELIVERED) {
            throw new IllegalStateException(delivery.toString());
          }
        }
      }
    }
  }
}

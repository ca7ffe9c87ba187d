package dev.pgbelay.benchmarks.kafka;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Kafka's producer alone: idempotent, acks=all, its own defaults otherwise; nothing is looked up.
 */
final class BareProducer implements KafkaWay {
  private final KafkaProducer<byte[], byte[]> producer;
  private List<ProducerRecord<byte[], byte[]>> records = List.of();

  BareProducer(BenchBroker broker) {
    Map<String, Object> settings =
        Map.of(
            "bootstrap.servers", broker.bootstrap(), "acks", "all", "enable.idempotence", "true");
    this.producer =
        new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer());
  }

  @Override
  public void prepare(String topic, int messages) {
    byte[] payload = "x".repeat(KafkaContestant.PAYLOAD).getBytes(UTF_8);
    List<ProducerRecord<byte[], byte[]>> all = new ArrayList<>(messages);
    for (int i = 0; i < messages; i++) {
      all.add(new ProducerRecord<>(topic, KafkaContestant.key(i).getBytes(UTF_8), payload));
    }
    records = all;
  }

  @Override
  public void send() throws Exception {
    List<Future<RecordMetadata>> sent = new ArrayList<>(records.size());
    for (ProducerRecord<byte[], byte[]> record : records) {
      sent.add(producer.send(record));
    }
    producer.flush();
    for (Future<RecordMetadata> record : sent) {
      record.get();
    }
  }

  @Override
  public void close() {
    producer.close();
  }
}

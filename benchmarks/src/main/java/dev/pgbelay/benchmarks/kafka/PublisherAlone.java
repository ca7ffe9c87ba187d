package dev.pgbelay.benchmarks.kafka;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.pgbelay.core.CommitPosition;
import dev.pgbelay.kafka.KafkaPublisher;
import dev.pgbelay.outbox.Delivery;
import dev.pgbelay.outbox.Message;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;

/** The library's publisher with messages from memory: what it costs without the outbox. */
final class PublisherAlone implements KafkaWay {
  private static final Instant APPENDED = Instant.parse("2026-01-01T00:00:00Z");

  private final KafkaPublisher publisher;
  private List<Message> messages = List.of();

  PublisherAlone(BenchBroker broker) {
    this.publisher =
        KafkaPublisher.builder(Map.of("bootstrap.servers", broker.bootstrap())).build();
  }

  @Override
  public void prepare(String topic, int count) {
    byte[] payload = "x".repeat(KafkaContestant.PAYLOAD).getBytes(UTF_8);
    List<Message> all = new ArrayList<>(count);
    for (int i = 0; i < count; i++) {
      all.add(
          new Message(
              i,
              UUID.randomUUID().toString(),
              topic,
              Optional.of(KafkaContestant.key(i)),
              Optional.empty(),
              Map.of(),
              payload,
              APPENDED,
              1,
              "claim",
              false,
              new CommitPosition(-1, 1, 1)));
    }
    messages = all;
  }

  @Override
  public void send() throws InterruptedException {
    for (int from = 0; from < messages.size(); from += publisher.batchSize()) {
      List<Message> some =
          messages.subList(from, Math.min(from + publisher.batchSize(), messages.size()));
      for (Delivery delivery : publisher.publish(some)) {
        if (delivery.outcome() != Delivery.Outcome.DELIVERED) {
          throw new IllegalStateException(delivery.toString());
        }
      }
    }
  }

  @Override
  public void close() {
    publisher.close();
  }
}

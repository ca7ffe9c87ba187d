package dev.pgbelay.benchmarks.kafka;

import dev.pgbelay.benchmarks.Contestant;
import dev.pgbelay.benchmarks.Measurement;
import dev.pgbelay.benchmarks.Work;
import java.util.List;
import java.util.UUID;

/** Sends messages to a topic of their own. */
record KafkaContestant(String name, KafkaWay way, BenchBroker broker, int messages)
    implements Contestant {
  static final String PART = "kafka";
  static final int KEYS = 200;
  static final int PAYLOAD = 200;

  static String key(int number) {
    return "customer-" + number % KEYS;
  }

  @Override
  public List<Measurement> measure(String part) throws Exception {
    String topic = "bench-" + UUID.randomUUID();
    broker.createTopic(topic);
    way.prepare(topic, messages);
    long start = System.nanoTime();
    way.send();
    double seconds = (System.nanoTime() - start) / 1e9;
    way.end();
    return List.of(
        new Measurement(
            PART + "/messages-per-second",
            messages / seconds,
            "messages/s",
            new Work(broker.records(topic), 0),
            new Work(messages, 0)));
  }

  @Override
  public void close() {
    way.close();
  }
}

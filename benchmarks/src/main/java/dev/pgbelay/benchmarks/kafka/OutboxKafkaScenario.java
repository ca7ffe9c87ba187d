package dev.pgbelay.benchmarks.kafka;

import dev.pgbelay.benchmarks.BenchServer;
import dev.pgbelay.benchmarks.BenchSettings;
import dev.pgbelay.benchmarks.Contestant;
import dev.pgbelay.benchmarks.Scenario;
import dev.pgbelay.benchmarks.Stage;
import java.util.List;

/** Events that wait for a relay that was away, and go to Kafka. */
public final class OutboxKafkaScenario implements Scenario {
  @Override
  public String name() {
    return "outbox-kafka";
  }

  @Override
  public String description() {
    return "events that wait already, delivered to Kafka in the order of their keys";
  }

  @Override
  public long defaultRows(boolean full) {
    return full ? 1_000_000 : 100_000;
  }

  @Override
  public Stage prepare(BenchServer server, BenchSettings settings) throws Exception {
    BenchBroker broker = BenchBroker.start();
    int messages = Math.toIntExact(settings.rows());
    return new KafkaStage(
        broker,
        List.of(
            new KafkaContestant(Stage.LIMIT, new BareProducer(broker), broker, messages),
            new KafkaContestant("pgbelay", new RelayToKafka(server, broker, 4), broker, messages),
            new KafkaContestant(
                "pgbelay (one call at a time)",
                new RelayToKafka(server, broker, 1),
                broker,
                messages),
            new KafkaContestant(
                "pgbelay (publisher alone)", new PublisherAlone(broker), broker, messages)));
  }

  private record KafkaStage(BenchBroker broker, List<KafkaContestant> all) implements Stage {
    @Override
    public List<String> parts() {
      return List.of(KafkaContestant.PART);
    }

    @Override
    public List<Contestant> contestants() {
      return List.copyOf(all);
    }

    @Override
    public void close() {
      all.forEach(KafkaContestant::close);
      broker.close();
    }

    @Override
    public List<String> notes() {
      return List.of(
          "200 bytes and 200 keys, 4 partitions; broker, server and client share the cores",
          "limit: Kafka's idempotent producer with its default settings, records from memory,"
              + " without headers",
          "pgbelay: OutboxRelay and KafkaPublisher with default settings, from the outbox's table"
              + " through the last acknowledgement there; eight headers on each record",
          "publisher alone: KafkaPublisher with messages from memory, a thousand at a time, the next"
              + " thousand when all before are acknowledged");
    }
  }
}

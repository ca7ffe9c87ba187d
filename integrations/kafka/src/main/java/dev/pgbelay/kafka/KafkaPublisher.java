package dev.pgbelay.kafka;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.internal.OptionRange;
import dev.pgbelay.core.internal.QuietMetrics;
import dev.pgbelay.outbox.Delivery;
import dev.pgbelay.outbox.Message;
import dev.pgbelay.outbox.MessagePublisher;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.MeterRegistry;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentLinkedDeque;
import java.util.function.Function;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.common.KafkaException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Delivers messages as records of Kafka.
 *
 * <p>A message is delivered when all in-sync replicas have its record ({@code acks=all}). Its key
 * is the record's key and so decides the partition, among as many as the topic has: order of a key
 * ends where partitions are added, and where a key's messages go to several topics. Once a record
 * fails, none of its key behind it is sent before it: one request is under way at a time, and a
 * failure closes the producer, with whatever stands in its buffer. Only the record that failed
 * counts an attempt.
 *
 * <p>Rejected is what is wrong with the record itself (too large, refused by the broker as invalid,
 * no fit name of a topic); anything else is a failed attempt, rights on a topic included. A record
 * whose answer was lost is sent again by a new producer, so the topic can have it twice: consumers
 * tell by {@link KafkaHeaders#MESSAGE_ID}, see {@link dev.pgbelay.outbox.inbox.Inbox}.
 *
 * <p>A call blocks for the delivery timeout at most, and for half of it (10 seconds at most) more
 * for each topic that is not known. Safe for several threads: each call has a producer of its own,
 * kept for later ones, with one thread and up to {@code buffer.memory} each. Close it when no relay
 * uses it any more.
 */
public final class KafkaPublisher implements MessagePublisher {
  private static final Logger LOG = LoggerFactory.getLogger(KafkaPublisher.class);
  private static final Duration CLOSE_TIME = Duration.ofSeconds(5);

  private final Map<String, Object> settings;
  private final Function<? super Message, String> topics;
  private final int batchSize;
  private final @Nullable MeterRegistry registry;
  private final QuietMetrics quiet = new QuietMetrics(LOG, "the Kafka publisher");
  private final ConcurrentLinkedDeque<Producer<byte[], byte[]>> idle =
      new ConcurrentLinkedDeque<>();
  private volatile boolean closed;

  private KafkaPublisher(Builder builder) {
    Map<String, Object> complete =
        new HashMap<>(ProducerSettings.complete(builder.settings, builder.deliveryTimeout));
    complete.putAll(builder.loose);
    this.settings = Map.copyOf(complete);
    this.topics = builder.topics;
    this.batchSize = builder.batchSize;
    this.registry = builder.registry;
  }

  /**
   * Begins a publisher.
   *
   * @param settings of Kafka's producer: {@code bootstrap.servers} at least; security, compression
   *     and so on as Kafka has them. Refused is what order or delivery would not bear
   */
  public static Builder builder(Map<String, ?> settings) {
    return new Builder(settings);
  }

  @Override
  public int batchSize() {
    return batchSize;
  }

  @Override
  public List<Delivery> publish(List<Message> messages) throws InterruptedException {
    Producer<byte[], byte[]> producer;
    try {
      producer = take();
    } catch (KafkaException e) {
      // Such as brokers whose names cannot be resolved just now.
      List<Delivery> deliveries =
          new ArrayList<>(
              Collections.nCopies(messages.size(), Delivery.heldBack("there is no producer")));
      deliveries.set(0, Delivery.failed("no producer: " + e.getMessage()));
      return List.copyOf(deliveries);
    }
    BatchSend batch = new BatchSend(producer, topics, messages);
    boolean ended = false;
    try {
      List<Delivery> deliveries = batch.run();
      ended = true;
      return deliveries;
    } finally {
      giveBack(producer, ended && !batch.closedItsProducer());
    }
  }

  private Producer<byte[], byte[]> take() {
    if (closed) {
      throw new PgBelayException("this Kafka publisher is closed; stop its relays first");
    }
    Producer<byte[], byte[]> producer = idle.pollFirst();
    return producer == null ? new KafkaProducer<>(settings) : producer;
  }

  private void giveBack(Producer<byte[], byte[]> producer, boolean sound) {
    if (sound) {
      idle.addFirst(producer);
      if (closed) {
        closeIdle();
      }
    } else {
      countClosed();
      // Waits for its thread: nothing may be sent any more once the call has returned.
      producer.close(Duration.ZERO);
    }
  }

  private void countClosed() {
    MeterRegistry metrics = registry;
    if (metrics != null) {
      quiet.count(
          () ->
              Counter.builder("pgbelay.kafka.producers.closed")
                  .description("Producers closed because a record failed or its call was given up")
                  .baseUnit("producers")
                  .register(metrics)
                  .increment());
    }
  }

  /** Closes the producers; those in use when their call ends. */
  @Override
  public void close() {
    closed = true;
    closeIdle();
  }

  private void closeIdle() {
    for (Producer<byte[], byte[]> producer = idle.pollFirst();
        producer != null;
        producer = idle.pollFirst()) {
      producer.close(CLOSE_TIME);
    }
  }

  /** Collects a publisher's options. Not safe for several threads. */
  public static final class Builder {
    private final Map<String, ?> settings;
    private Map<String, String> loose = Map.of();
    private Function<? super Message, String> topics = Message::topic;
    private Duration deliveryTimeout = Duration.ofSeconds(30);
    private int batchSize = 1_000;
    private @Nullable MeterRegistry registry;

    private Builder(Map<String, ?> settings) {
      this.settings = Map.copyOf(settings);
    }

    /** Kafka's topic for a message: the outbox's unless said. Called once for each attempt. */
    public Builder topic(Function<? super Message, String> topicOf) {
      this.topics = topicOf;
      return this;
    }

    /**
     * For how long a record is tried to be delivered within one attempt: 1 second to 10 minutes, 30
     * seconds unless said ({@code delivery.timeout.ms}). Kafka's own retries happen within it.
     */
    public Builder deliveryTimeout(Duration time) {
      this.deliveryTimeout = time;
      return this;
    }

    /** Messages of one call, 1 to 10,000; 1,000 unless said. */
    public Builder batchSize(int messages) {
      this.batchSize = messages;
      return this;
    }

    /** For tests that show what the settings are for which cannot be changed. */
    Builder loosened(Map<String, String> against) {
      this.loose = Map.copyOf(against);
      return this;
    }

    /** Where the metrics of the guide go; none are kept otherwise. */
    public Builder meterRegistry(MeterRegistry metrics) {
      this.registry = metrics;
      return this;
    }

    /**
     * Checks the options. Connects to nothing.
     *
     * @throws PgBelayException naming the option or the setting and what is wrong with it
     */
    public KafkaPublisher build() {
      OptionRange.require(
          "deliveryTimeout", deliveryTimeout, Duration.ofSeconds(1), Duration.ofMinutes(10));
      OptionRange.require("batchSize", batchSize, 1, 10_000);
      return new KafkaPublisher(this);
    }
  }
}

package dev.pgbelay.kafka;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.outbox.Delivery;
import dev.pgbelay.outbox.Message;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.function.Function;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.errors.InterruptException;
import org.apache.kafka.common.errors.TimeoutException;
import org.jspecify.annotations.Nullable;

/**
 * One call's messages through one producer, which nobody else uses meanwhile.
 *
 * <p>A record that fails closes the producer from its own callback. That runs on the thread which
 * sends, before the partition is opened for the next request: so nothing of the same partition that
 * stands behind the record is ever sent, and what waits in the buffer is dropped. What had been
 * sent to other partitions is then not known, and answered as held back.
 */
final class BatchSend {
  private final Producer<byte[], byte[]> producer;
  private final Function<? super Message, String> topics;
  private final List<Message> messages;
  private final List<@Nullable Future<RecordMetadata>> sent;

  /** Why a message did not even reach the producer's buffer. */
  private final Map<Integer, Throwable> unsent = new HashMap<>();

  private final Thread caller = Thread.currentThread();
  private volatile boolean closed;

  BatchSend(
      Producer<byte[], byte[]> producer,
      Function<? super Message, String> topics,
      List<Message> messages) {
    this.producer = producer;
    this.topics = topics;
    this.messages = messages;
    this.sent = new ArrayList<>(Collections.nCopies(messages.size(), null));
  }

  /** Whether the producer was closed and must not be used again. */
  boolean closedItsProducer() {
    return closed;
  }

  /** Returns once it is known of each record what became of it; bounded by the producer. */
  List<Delivery> run() throws InterruptedException {
    try {
      sendAll();
      producer.flush();
      List<@Nullable Throwable> failures = new ArrayList<>();
      for (int i = 0; i < messages.size(); i++) {
        failures.add(failure(i));
      }
      return deliveries(failures);
    } catch (InterruptException | InterruptedException e) {
      // Kafka's own has set the flag, which would keep the producer from being closed.
      Thread.interrupted();
      close();
      throw (InterruptedException)
          new InterruptedException("interrupted while sending").initCause(e);
    }
  }

  private void sendAll() {
    Set<String> stoppedKeys = new HashSet<>();
    Map<String, Throwable> deadTopics = new HashMap<>();
    for (int i = 0; i < messages.size() && !closed; i++) {
      Message message = messages.get(i);
      if (message.key().filter(stoppedKeys::contains).isPresent()) {
        continue;
      }
      Throwable failure = send(i, deadTopics);
      if (failure != null) {
        unsent.put(i, failure);
        message.key().ifPresent(stoppedKeys::add);
      }
    }
  }

  /** Null if the record is under way. */
  private @Nullable Throwable send(int place, Map<String, Throwable> deadTopics) {
    Message message = messages.get(place);
    String topic;
    try {
      topic = topics.apply(message);
    } catch (RuntimeException e) {
      return new PgBelayException("no topic was found for it: " + e.getClass().getName(), e);
    }
    Throwable dead = deadTopics.get(topic);
    if (dead != null) {
      return dead;
    }
    byte[] key = message.key().map(text -> text.getBytes(UTF_8)).orElse(null);
    ProducerRecord<byte[], byte[]> record =
        new ProducerRecord<>(topic, null, key, message.payload());
    KafkaHeaders.write(message, record.headers());
    Throwable refused;
    try {
      sent.set(place, producer.send(record, (metadata, failure) -> ended(place, failure)));
      refused = unsent.get(place);
    } catch (InterruptException e) {
      throw e;
    } catch (RuntimeException e) {
      refused = e;
    }
    if (refused instanceof TimeoutException) {
      // Nothing is known of the topic: another wait would be for the same.
      deadTopics.put(topic, refused);
    }
    return refused;
  }

  /** On this thread the record was refused before it was sent, and nothing is behind it yet. */
  private void ended(int place, @Nullable Exception failure) {
    if (failure == null) {
      return;
    }
    if (Thread.currentThread() == caller) {
      unsent.put(place, failure);
    } else if (!closed) {
      close();
    }
  }

  private void close() {
    closed = true;
    producer.close(Duration.ZERO);
  }

  private List<Delivery> deliveries(List<@Nullable Throwable> failures) {
    List<Delivery> deliveries = new ArrayList<>();
    Set<String> stoppedKeys = new HashSet<>();
    int innocent = -1;
    boolean blamed = false;
    for (int i = 0; i < messages.size(); i++) {
      Throwable failure = failures.get(i);
      if (failure == null) {
        deliveries.add(Delivery.delivered());
        continue;
      }
      boolean behind = messages.get(i).key().filter(key -> !stoppedKeys.add(key)).isPresent();
      if (behind) {
        deliveries.add(Delivery.heldBack("one of its key failed before it"));
      } else if (KafkaFailures.isOfAnother(failure)) {
        deliveries.add(Delivery.heldBack("another record failed"));
        innocent = innocent < 0 ? i : innocent;
      } else {
        deliveries.add(KafkaFailures.delivery(failure));
        blamed = true;
      }
    }
    if (!blamed && innocent >= 0) {
      // Somebody must be to blame, or the call would look as if nothing had happened.
      deliveries.set(innocent, Delivery.failed(String.valueOf(failures.get(innocent))));
    }
    return List.copyOf(deliveries);
  }

  /** Null if it was delivered. */
  private @Nullable Throwable failure(int place) throws InterruptedException {
    Throwable refused = unsent.get(place);
    if (refused != null) {
      return refused;
    }
    Future<RecordMetadata> record = sent.get(place);
    if (record == null) {
      return new IllegalStateException("not sent");
    }
    try {
      record.get();
      return null;
    } catch (ExecutionException e) {
      return e.getCause() == null ? e : e.getCause();
    }
  }
}

package dev.pgbelay.kafka;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.outbox.Delivery;
import dev.pgbelay.outbox.Delivery.Outcome;
import dev.pgbelay.outbox.Message;
import java.util.List;
import org.apache.kafka.clients.producer.MockProducer;
import org.apache.kafka.clients.producer.RoundRobinPartitioner;
import org.apache.kafka.common.Cluster;
import org.apache.kafka.common.InvalidRecordException;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.errors.ClusterAuthorizationException;
import org.apache.kafka.common.errors.CorruptRecordException;
import org.apache.kafka.common.errors.DisconnectException;
import org.apache.kafka.common.errors.InvalidProducerEpochException;
import org.apache.kafka.common.errors.InvalidTimestampException;
import org.apache.kafka.common.errors.InvalidTopicException;
import org.apache.kafka.common.errors.NetworkException;
import org.apache.kafka.common.errors.NotEnoughReplicasAfterAppendException;
import org.apache.kafka.common.errors.NotEnoughReplicasException;
import org.apache.kafka.common.errors.NotLeaderOrFollowerException;
import org.apache.kafka.common.errors.OutOfOrderSequenceException;
import org.apache.kafka.common.errors.PolicyViolationException;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.errors.RecordBatchTooLargeException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.errors.SaslAuthenticationException;
import org.apache.kafka.common.errors.SerializationException;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.errors.TopicAuthorizationException;
import org.apache.kafka.common.errors.UnknownProducerIdException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What each of Kafka's errors makes of a message: one line of the guide's table each. */
class KafkaFailuresTest {
  static List<RuntimeException> ofTheRecord() {
    return List.of(
        new RecordTooLargeException("x"),
        new RecordBatchTooLargeException("x"),
        new InvalidRecordException("x"),
        new InvalidTimestampException("x"),
        new InvalidTopicException("x"),
        new SerializationException("x"));
  }

  static List<RuntimeException> ofTheBroker() {
    return List.of(
        new TimeoutException("x"),
        new NetworkException("x"),
        new DisconnectException("x"),
        new NotEnoughReplicasException("x"),
        new NotEnoughReplicasAfterAppendException("x"),
        new NotLeaderOrFollowerException("x"),
        new UnknownTopicOrPartitionException("x"),
        new TopicAuthorizationException("x"),
        new ClusterAuthorizationException("x"),
        new SaslAuthenticationException("x"),
        new ProducerFencedException("x"),
        new InvalidProducerEpochException("x"),
        new OutOfOrderSequenceException("x"),
        new UnknownProducerIdException("x"),
        new CorruptRecordException("x"),
        new PolicyViolationException("x"));
  }

  static List<RuntimeException> ofAnother() {
    return List.of(new KafkaException("closed"), new IllegalStateException("closed"));
  }

  /** The record of the second message fails so; the third is of the same key, the fourth is not. */
  private static List<Delivery> secondOfFourFails(RuntimeException failure) throws Exception {
    MockProducer<byte[], byte[]> producer =
        new MockProducer<>(
            Cluster.empty(),
            false,
            new RoundRobinPartitioner(),
            new ByteArraySerializer(),
            new ByteArraySerializer()) {
          @Override
          public synchronized void flush() {
            // As the thread that sends does.
            Thread sender =
                new Thread(
                    () -> {
                      completeNext();
                      errorNext(failure);
                      while (errorNext(new KafkaException("Producer is closed forcefully."))) {}
                    });
            sender.start();
            try {
              do {
                wait(5);
              } while (sender.isAlive());
            } catch (InterruptedException e) {
              throw new IllegalStateException(e);
            }
          }
        };
    List<Message> messages =
        List.of(
            Messages.of("t", "a", "1"),
            Messages.of("t", "b", "2"),
            Messages.of("t", "b", "3"),
            Messages.of("t", "c", "4"));
    BatchSend send = new BatchSend(producer, Message::topic, messages);
    List<Delivery> deliveries = send.run();
    assertThat(send.closedItsProducer()).as("a failure closes its producer").isTrue();
    assertThat(producer.closed()).isTrue();
    return deliveries;
  }

  @ParameterizedTest
  @MethodSource("ofTheRecord")
  void whatIsWrongWithTheRecordItself_rejectsItAndHoldsBackWhatIsBehind(RuntimeException failure)
      throws Exception {
    List<Delivery> deliveries = secondOfFourFails(failure);
    assertThat(deliveries)
        .extracting(Delivery::outcome)
        .containsExactly(Outcome.DELIVERED, Outcome.REJECTED, Outcome.HELD_BACK, Outcome.HELD_BACK);
    assertThat(deliveries.get(1).reason()).startsWith(failure.getClass().getSimpleName());
  }

  /** Fencing too: the next attempt has a producer that nobody has fenced. */
  @ParameterizedTest
  @MethodSource("ofTheBroker")
  void whatIsOfTheBrokerOrOfRights_isAFailedAttempt(RuntimeException failure) throws Exception {
    List<Delivery> deliveries = secondOfFourFails(failure);
    assertThat(deliveries)
        .extracting(Delivery::outcome)
        .containsExactly(Outcome.DELIVERED, Outcome.FAILED, Outcome.HELD_BACK, Outcome.HELD_BACK);
    assertThat(deliveries.get(1).reason()).startsWith(failure.getClass().getSimpleName());
  }

  /** Nobody is to blame: then the first of them is, so that the call is not without a result. */
  @ParameterizedTest
  @MethodSource("ofAnother")
  void whatSaysNothingOfTheRecord_blamesOneOnly(RuntimeException failure) throws Exception {
    assertThat(secondOfFourFails(failure))
        .extracting(Delivery::outcome)
        .containsExactly(Outcome.DELIVERED, Outcome.FAILED, Outcome.HELD_BACK, Outcome.HELD_BACK);
  }

  @Test
  void reasons_areShort() {
    String reason = KafkaFailures.delivery(new TimeoutException("x".repeat(10_000))).reason();
    assertThat(reason).hasSizeLessThan(400).endsWith("…");
  }
}

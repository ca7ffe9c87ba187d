package dev.pgbelay.kafka;

import dev.pgbelay.outbox.Delivery;
import java.util.Set;
import org.apache.kafka.common.InvalidRecordException;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.errors.InvalidTimestampException;
import org.apache.kafka.common.errors.InvalidTopicException;
import org.apache.kafka.common.errors.RecordBatchTooLargeException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.errors.SerializationException;

/** What an exception of Kafka's says about a message. */
final class KafkaFailures {
  private static final int LONGEST = 300;

  /** What is wrong with the record itself, whoever sends it whenever. */
  private static final Set<Class<?>> OF_THE_RECORD =
      Set.of(
          RecordTooLargeException.class,
          RecordBatchTooLargeException.class,
          InvalidRecordException.class,
          InvalidTimestampException.class,
          InvalidTopicException.class,
          SerializationException.class);

  private KafkaFailures() {}

  /**
   * Whether the exception says nothing of this very record: what stood beside another one that was
   * refused, and what had not been sent or answered when the producer was closed, gets Kafka's most
   * general exception.
   */
  static boolean isOfAnother(Throwable failure) {
    return failure.getClass() == KafkaException.class || failure instanceof IllegalStateException;
  }

  /**
   * What is of the broker, the network, or the rights on a topic can become well; so can what Kafka
   * calls fatal, since the next call has a new producer.
   */
  static Delivery delivery(Throwable failure) {
    boolean hopeless = OF_THE_RECORD.stream().anyMatch(type -> type.isInstance(failure));
    return hopeless ? Delivery.rejected(text(failure)) : Delivery.failed(text(failure));
  }

  private static String text(Throwable failure) {
    String message = String.valueOf(failure.getMessage());
    String name = failure.getClass().getSimpleName() + ": ";
    return name + (message.length() > LONGEST ? message.substring(0, LONGEST) + "…" : message);
  }
}

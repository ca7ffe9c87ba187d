package dev.pgbelay.kafka;

import static dev.pgbelay.outbox.Delivery.Outcome.DELIVERED;
import static dev.pgbelay.outbox.Delivery.Outcome.FAILED;
import static dev.pgbelay.outbox.Delivery.Outcome.HELD_BACK;
import static dev.pgbelay.outbox.Delivery.Outcome.REJECTED;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.outbox.Delivery;
import dev.pgbelay.outbox.Message;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.header.Headers;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Against a broker. */
class KafkaPublisherTest {
  private static final AtomicInteger TOPICS = new AtomicInteger();
  private static final String BIG = "x".repeat(20_000);
  private static KafkaBroker broker;

  @BeforeAll
  static void start() throws Exception {
    broker = KafkaBroker.shared();
  }

  private static String freshTopic(int partitions, Map<String, String> settings) throws Exception {
    String topic = "topic-" + TOPICS.incrementAndGet();
    broker.createTopic(topic, partitions, settings);
    return topic;
  }

  private static KafkaPublisher.Builder builder() {
    return KafkaPublisher.builder(Map.of("bootstrap.servers", broker.bootstrap()));
  }

  private static List<Delivery.Outcome> outcomes(KafkaPublisher publisher, List<Message> messages)
      throws Exception {
    return publisher.publish(messages).stream().map(Delivery::outcome).toList();
  }

  private static List<String> ids(String topic) {
    return broker.read(topic).stream()
        .map(record -> KafkaHeaders.messageId(record.headers()).orElseThrow())
        .toList();
  }

  /**
   * Publishes as a relay does that waits for each failure of a key: again and again what is not
   * delivered, without what is rejected.
   *
   * @return what was rejected
   */
  private static Set<Message> deliverAll(KafkaPublisher publisher, List<Message> messages)
      throws Exception {
    List<Message> left = new ArrayList<>(messages);
    Set<Message> rejected = new LinkedHashSet<>();
    for (int call = 0; !left.isEmpty(); call++) {
      assertThat(call).as("calls").isLessThan(100);
      List<Delivery.Outcome> outcomes = outcomes(publisher, left);
      assertThat(outcomes).as("some answer is not HELD_BACK").anyMatch(each -> each != HELD_BACK);
      List<Message> still = new ArrayList<>();
      for (int i = 0; i < outcomes.size(); i++) {
        if (outcomes.get(i) == REJECTED) {
          rejected.add(left.get(i));
        } else if (outcomes.get(i) != DELIVERED) {
          still.add(left.get(i));
        }
      }
      left = still;
    }
    return rejected;
  }

  /** The first time that each message is seen, of each key in the order given. */
  private static void assertFirstDeliveriesInOrder(String topic, List<Message> messages) {
    Map<String, List<String>> expected = new HashMap<>();
    Map<String, List<String>> seen = new HashMap<>();
    for (Message message : messages) {
      expected
          .computeIfAbsent(message.key().orElseThrow(), key -> new ArrayList<>())
          .add(message.messageId());
    }
    Set<String> known = new LinkedHashSet<>();
    for (ConsumerRecord<String, String> record : broker.read(topic)) {
      String id = KafkaHeaders.messageId(record.headers()).orElseThrow();
      if (known.add(id)) {
        seen.computeIfAbsent(record.key(), key -> new ArrayList<>()).add(id);
      }
    }
    assertThat(seen).isEqualTo(expected);
  }

  @Test
  void messages_arriveWithKeyAndHeadersInTheOrderOfTheirKeys() throws Exception {
    String topic = freshTopic(4, Map.of());
    List<Message> messages = new ArrayList<>();
    for (int i = 0; i < 500; i++) {
      messages.add(Messages.of(topic, "key-" + i % 7, "payload " + i));
    }
    try (KafkaPublisher publisher = builder().build()) {
      assertThat(outcomes(publisher, messages)).containsOnly(DELIVERED).hasSize(500);
    }
    assertFirstDeliveriesInOrder(topic, messages);
    List<ConsumerRecord<String, String>> records = broker.read(topic);
    assertThat(records).hasSize(500);
    ConsumerRecord<String, String> record =
        records.stream().filter(each -> each.value().equals("payload 0")).findFirst().orElseThrow();
    assertThat(record.key()).isEqualTo("key-0");
    Headers headers = record.headers();
    assertThat(KafkaHeaders.messageId(headers)).hasValue(messages.get(0).messageId());
    assertThat(KafkaHeaders.text(headers, KafkaHeaders.TOPIC)).hasValue(topic);
    assertThat(KafkaHeaders.text(headers, KafkaHeaders.TYPE)).hasValue("a-type");
    assertThat(KafkaHeaders.text(headers, KafkaHeaders.CLAIM)).hasValue("claim-7");
    assertThat(headers.headers(KafkaHeaders.CLAIM)).hasSize(1);
    assertThat(KafkaHeaders.text(headers, KafkaHeaders.ATTEMPT)).hasValue("3");
    assertThat(KafkaHeaders.text(headers, KafkaHeaders.REPLAY)).hasValue("true");
    assertThat(KafkaHeaders.text(headers, KafkaHeaders.APPENDED_AT))
        .hasValue("1970-01-01T00:00:00Z");
    assertThat(KafkaHeaders.text(headers, KafkaHeaders.POSITION))
        .hasValue("18446744073709551615 2 1/10");
    assertThat(KafkaHeaders.text(headers, "traceparent")).hasValue("00-ab-cd-01");
  }

  @Test
  void messageWithoutKey_isDelivered() throws Exception {
    String topic = freshTopic(2, Map.of());
    Message message = Messages.of("orders", null, "");
    try (KafkaPublisher publisher = builder().topic(given -> topic).build()) {
      assertThat(outcomes(publisher, List.of(message))).containsExactly(DELIVERED);
    }
    assertThat(ids(topic)).containsExactly(message.messageId());
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 3})
  void recordThatTheBrokerRefusesAmongOthersOfItsKey_holdsBackWhatStandsBehindIt(int partitions)
      throws Exception {
    String topic = freshTopic(partitions, Map.of("max.message.bytes", "10000"));
    List<Message> messages = new ArrayList<>();
    for (int i = 0; i < 30; i++) {
      messages.add(Messages.of(topic, "poisoned", i == 12 ? BIG : "p" + i));
      messages.add(Messages.of(topic, "other-" + i % 5, "o" + i));
    }
    SimpleMeterRegistry registry = new SimpleMeterRegistry();
    try (KafkaPublisher publisher = builder().meterRegistry(registry).build()) {
      List<Delivery> deliveries = publisher.publish(messages);
      for (int i = 0; i < 30; i++) {
        Delivery.Outcome outcome = deliveries.get(2 * i).outcome();
        if (i == 12) {
          assertThat(outcome).isEqualTo(REJECTED);
          assertThat(deliveries.get(2 * i).reason()).startsWith("RecordTooLarge");
        } else {
          assertThat(outcome)
              .as("message %s of the key", i)
              .isEqualTo(i < 12 ? DELIVERED : HELD_BACK);
        }
        assertThat(deliveries.get(2 * i + 1).outcome()).isIn(DELIVERED, HELD_BACK);
      }
      List<String> arrived = ids(topic);
      for (int i = 12; i < 30; i++) {
        assertThat(arrived).as("message %s", i).doesNotContain(messages.get(2 * i).messageId());
      }
      assertThat(registry.get("pgbelay.kafka.producers.closed").counter().count()).isEqualTo(1);

      List<Message> rest = new ArrayList<>();
      for (int i = 0; i < messages.size(); i++) {
        if (deliveries.get(i).outcome() == HELD_BACK) {
          rest.add(messages.get(i));
        }
      }
      assertThat(deliverAll(publisher, rest)).isEmpty();
    }
    Message poison = messages.remove(24);
    assertThat(ids(topic)).doesNotContain(poison.messageId());
    assertFirstDeliveriesInOrder(topic, messages);
  }

  @Test
  void poisonEverywhere_costsNoOrderAndLosesNothing() throws Exception {
    String topic = freshTopic(3, Map.of("max.message.bytes", "10000"));
    List<Message> messages = new ArrayList<>();
    List<Message> poison = new ArrayList<>();
    for (int i = 0; i < 400; i++) {
      Message message = Messages.of(topic, "key-" + i % 10, i % 37 == 5 ? BIG : "p" + i);
      (i % 37 == 5 ? poison : messages).add(message);
      if (i % 37 == 5) {
        messages.add(message);
      }
    }
    try (KafkaPublisher publisher = builder().build()) {
      assertThat(deliverAll(publisher, messages)).containsExactlyInAnyOrderElementsOf(poison);
    }
    messages.removeAll(poison);
    assertFirstDeliveriesInOrder(topic, messages);
  }

  @Test
  void recordThatIsTooLargeForTheProducer_stopsItsKeyOnly() throws Exception {
    String topic = freshTopic(1, Map.of());
    List<Message> messages =
        List.of(
            Messages.of(topic, "a", "1"),
            Messages.of(topic, "a", "x".repeat(2_000_000)),
            Messages.of(topic, "a", "3"),
            Messages.of(topic, "b", "4"));
    try (KafkaPublisher publisher = builder().build()) {
      assertThat(outcomes(publisher, messages))
          .containsExactly(DELIVERED, REJECTED, HELD_BACK, DELIVERED);
    }
    assertThat(ids(topic))
        .containsExactly(messages.get(0).messageId(), messages.get(3).messageId());
  }

  @Test
  void topicThatIsNotThere_failsWithoutKeepingOthersFromTheirs() throws Exception {
    String topic = freshTopic(1, Map.of());
    List<Message> messages =
        List.of(
            Messages.of("nowhere", "a", "1"),
            Messages.of("nowhere", "b", "2"),
            Messages.of("nowhere", "a", "3"),
            Messages.of(topic, "a", "4"),
            Messages.of(topic, "c", "5"),
            Messages.of("not a topic!", "d", "6"),
            Messages.of("thrown", "e", "7"));
    try (KafkaPublisher publisher =
        builder()
            .deliveryTimeout(Duration.ofSeconds(5))
            .topic(
                message -> {
                  if (message.topic().equals("thrown")) {
                    throw new IllegalStateException("secret");
                  }
                  return message.topic();
                })
            .build()) {
      List<Delivery> deliveries = publisher.publish(messages);
      assertThat(deliveries)
          .extracting(Delivery::outcome)
          .containsExactly(FAILED, FAILED, HELD_BACK, HELD_BACK, DELIVERED, REJECTED, FAILED);
      assertThat(deliveries.get(6).reason()).doesNotContain("secret");
    }
  }

  @Test
  void brokerThatIsDownAndComesBack_getsEverythingInOrder() throws Exception {
    String topic = freshTopic(2, Map.of());
    List<Message> all = new ArrayList<>();
    List<Message> during = new ArrayList<>();
    for (int i = 0; i < 50; i++) {
      all.add(Messages.of(topic, "key-" + i % 3, "b" + i));
      during.add(Messages.of(topic, "key-" + i % 3, "d" + i));
    }
    try (KafkaPublisher publisher = builder().build();
        KafkaPublisher hasty = builder().deliveryTimeout(Duration.ofSeconds(1)).build()) {
      assertThat(outcomes(publisher, all)).containsOnly(DELIVERED);
      Message known = Messages.of(topic, "known", "so that the topic is");
      assertThat(deliverAll(hasty, List.of(known))).isEmpty();
      all.add(known);
      broker.downDuring(
          () -> {
            List<Delivery.Outcome> down = outcomes(hasty, during);
            assertThat(down).contains(FAILED).doesNotContain(DELIVERED, REJECTED);
            assertThat(down.stream().filter(each -> each == FAILED).count())
                .as("at most one attempt for each key")
                .isLessThanOrEqualTo(3);
          });
      assertThat(deliverAll(publisher, during)).isEmpty();
    }
    all.addAll(during);
    assertFirstDeliveriesInOrder(topic, all);
  }

  @Test
  void callThatIsInterrupted_sendsNothingAfterItHasReturned() throws Exception {
    String topic = freshTopic(1, Map.of());
    try (KafkaPublisher publisher = builder().build()) {
      List<Throwable> thrown = new ArrayList<>();
      Thread caller =
          new Thread(
              () -> {
                Thread.currentThread().interrupt();
                try {
                  publisher.publish(List.of(Messages.of(topic, "a", "1")));
                } catch (Throwable e) {
                  thrown.add(e);
                }
              });
      caller.start();
      caller.join(60_000);
      assertThat(thrown).hasSize(1).first().isInstanceOf(InterruptedException.class);
      Message next = Messages.of(topic, "a", "2");
      assertThat(outcomes(publisher, List.of(next))).containsExactly(DELIVERED);
      assertThat(ids(topic)).endsWith(next.messageId());
    }
  }

  @Test
  void brokersThatCannotBeResolved_areAFailedAttemptOfOneMessage() throws Exception {
    try (KafkaPublisher publisher =
        KafkaPublisher.builder(Map.of("bootstrap.servers", "nowhere.invalid:9092")).build()) {
      assertThat(
              outcomes(publisher, List.of(Messages.of("t", "a", "1"), Messages.of("t", "b", "2"))))
          .containsExactly(FAILED, HELD_BACK);
    }
  }

  @Test
  void closedPublisher_saysSo() throws Exception {
    KafkaPublisher publisher = builder().build();
    publisher.close();
    assertThatThrownBy(() -> publisher.publish(List.of(Messages.of("t", "a", "1"))))
        .isExactlyInstanceOf(PgBelayException.class)
        .hasMessageContaining("closed");
  }

  @ParameterizedTest
  @CsvSource({
    "acks,1",
    "enable.idempotence,false",
    "max.in.flight.requests.per.connection,5",
    "partitioner.ignore.keys,true",
    "transactional.id,t",
    "key.serializer,x",
    "value.serializer,x",
    "delivery.timeout.ms,1000",
    "max.block.ms,1000",
    "request.timeout.ms,1000",
    "linger.ms,soon"
  })
  void settingThatContradictsTheGuarantee_isRefusedByItsName(String name, String value) {
    assertThatThrownBy(
            () -> KafkaPublisher.builder(Map.of("bootstrap.servers", "h:1", name, value)).build())
        .isExactlyInstanceOf(PgBelayException.class)
        .hasMessageContaining(name);
  }

  @Test
  void optionsOutOfRange_areRefused() {
    assertThatThrownBy(() -> KafkaPublisher.builder(Map.of()).build())
        .hasMessageContaining("bootstrap.servers is missing");
    assertThatThrownBy(() -> builder().batchSize(0).build()).hasMessageContaining("batchSize");
    assertThatThrownBy(() -> builder().deliveryTimeout(Duration.ZERO).build())
        .hasMessageContaining("deliveryTimeout");
    assertThat(builder().build().batchSize()).isEqualTo(1_000);
  }

  @Test
  void settingsThatSayTheSame_areTaken() {
    KafkaPublisher.builder(
            Map.of(
                "bootstrap.servers",
                "h:1",
                "acks",
                "-1",
                "enable.idempotence",
                true,
                "max.in.flight.requests.per.connection",
                1))
        .build()
        .close();
  }
}

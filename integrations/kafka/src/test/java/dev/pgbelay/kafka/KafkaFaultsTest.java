package dev.pgbelay.kafka;

import static dev.pgbelay.outbox.Delivery.Outcome.DELIVERED;
import static dev.pgbelay.outbox.Delivery.Outcome.FAILED;
import static dev.pgbelay.outbox.Delivery.Outcome.HELD_BACK;
import static dev.pgbelay.outbox.Delivery.Outcome.REJECTED;
import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.outbox.Delivery;
import dev.pgbelay.outbox.Message;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourceType;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * Against a broker whose authorizer refuses something, and with settings that a publisher refuses.
 */
@Timeout(180)
class KafkaFaultsTest {
  private static final AtomicInteger TOPICS = new AtomicInteger();
  private static final String BIG = "x".repeat(20_000);
  private static final String ANYBODY = "User:ANONYMOUS";
  private static KafkaBroker broker;

  @BeforeAll
  static void start() throws Exception {
    broker = KafkaBroker.shared();
  }

  private static String freshTopic(int partitions, Map<String, String> settings) throws Exception {
    String topic = "fault-" + TOPICS.incrementAndGet();
    broker.createTopic(topic, partitions, settings);
    return topic;
  }

  private static KafkaPublisher.Builder builder(Map<String, String> more) {
    Map<String, String> settings = new HashMap<>(more);
    settings.put("bootstrap.servers", broker.bootstrap());
    return KafkaPublisher.builder(settings).deliveryTimeout(Duration.ofSeconds(5));
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

  /** Each record a request of its own, so that several could be under way. */
  private static final Map<String, String> SMALL_REQUESTS =
      Map.of("batch.size", "0", "linger.ms", "0");

  /** In how many of the keys something arrived that stands behind a record that was refused. */
  private static int overtaken(KafkaPublisher publisher) throws Exception {
    int overtaken = 0;
    for (int round = 0; round < 5; round++) {
      String topic = freshTopic(1, Map.of("max.message.bytes", "10000"));
      List<Message> messages = new ArrayList<>();
      for (int i = 0; i < 12; i++) {
        messages.add(Messages.of(topic, "k", i == 4 ? BIG : "p" + i));
      }
      assertThat(outcomes(publisher, messages).get(4)).isEqualTo(REJECTED);
      List<String> arrived = ids(topic);
      overtaken +=
          messages.subList(5, 12).stream().anyMatch(one -> arrived.contains(one.messageId()))
              ? 1
              : 0;
    }
    return overtaken;
  }

  @Test
  void recordThatIsRefused_isNotOvertaken() throws Exception {
    try (KafkaPublisher publisher = builder(SMALL_REQUESTS).build()) {
      assertThat(overtaken(publisher)).isZero();
    }
  }

  /** What the settings are for that a publisher insists on. */
  @Test
  void recordThatIsRefused_isOvertakenWhereFiveRequestsAreUnderWay() throws Exception {
    try (KafkaPublisher publisher =
        builder(SMALL_REQUESTS)
            .loosened(
                Map.of("max.in.flight.requests.per.connection", "5", "enable.idempotence", "false"))
            .build()) {
      assertThat(overtaken(publisher)).isPositive();
    }
  }

  /** Whatever Kafka's own defaults are. */
  @Test
  void settings_areThoseThatOrderAndDeliveryHangOn() {
    assertThat(
            ProducerSettings.complete(
                Map.of("bootstrap.servers", broker.bootstrap()), Duration.ofSeconds(30)))
        .containsEntry("acks", "all")
        .containsEntry("enable.idempotence", "true")
        .containsEntry("max.in.flight.requests.per.connection", "1")
        .containsEntry("partitioner.ignore.keys", "false")
        .containsEntry("delivery.timeout.ms", "30000")
        .doesNotContainKeys("transactional.id", "retries");
  }

  private static AclBinding acl(
      ResourceType type, String name, AclOperation operation, AclPermissionType permission) {
    return new AclBinding(
        new ResourcePattern(type, name, PatternType.LITERAL),
        new AccessControlEntry(ANYBODY, "*", operation, permission));
  }

  private interface Work {
    void run() throws Exception;
  }

  private static void withAcls(List<AclBinding> acls, Work work) throws Exception {
    try (Admin admin = broker.admin()) {
      admin.createAcls(acls).all().get(30, TimeUnit.SECONDS);
      try {
        work.run();
      } finally {
        admin
            .deleteAcls(acls.stream().map(AclBinding::toFilter).toList())
            .all()
            .get(30, TimeUnit.SECONDS);
      }
    }
  }

  private static List<AclBinding> denied(ResourceType type, String name, AclOperation operation) {
    return List.of(
        acl(type, name, AclOperation.ALL, AclPermissionType.ALLOW),
        acl(type, name, operation, AclPermissionType.DENY));
  }

  @Test
  void topicThatMayNotBeWritten_isAFailedAttemptAndIsWrittenInOrderOnceItMayBe() throws Exception {
    String forbidden = freshTopic(1, Map.of());
    String open = freshTopic(1, Map.of());
    List<Message> messages =
        List.of(
            Messages.of(forbidden, "k", "1"),
            Messages.of(forbidden, "k", "2"),
            Messages.of(open, "o", "3"));
    try (KafkaPublisher publisher = builder(Map.of()).build()) {
      withAcls(
          denied(ResourceType.TOPIC, forbidden, AclOperation.WRITE),
          () -> {
            List<Delivery> deliveries = publisher.publish(messages);
            assertThat(deliveries.get(0).outcome()).isEqualTo(FAILED);
            assertThat(deliveries.get(0).reason()).startsWith("TopicAuthorizationException");
            assertThat(deliveries.get(1).outcome()).isEqualTo(HELD_BACK);
            assertThat(deliveries.get(2).outcome()).isIn(DELIVERED, HELD_BACK);
            assertThat(ids(forbidden)).isEmpty();
          });
      Awaitility.await()
          .atMost(Duration.ofMinutes(1))
          .until(
              () ->
                  outcomes(publisher, messages.subList(0, 2))
                      .equals(List.of(DELIVERED, DELIVERED)));
    }
    assertThat(ids(forbidden))
        .containsExactly(messages.get(0).messageId(), messages.get(1).messageId());
  }

  /** Then the topic is not even known, which is told apart from one that is not there. */
  @Test
  void topicThatMayNotBeSeen_isAFailedAttempt() throws Exception {
    String hidden = freshTopic(1, Map.of());
    try (KafkaPublisher publisher = builder(Map.of()).build()) {
      withAcls(
          denied(ResourceType.TOPIC, hidden, AclOperation.ALL),
          () -> {
            Delivery delivery = publisher.publish(List.of(Messages.of(hidden, "k", "1"))).get(0);
            assertThat(delivery.outcome()).isEqualTo(FAILED);
            assertThat(delivery.reason()).startsWith("TopicAuthorizationException");
          });
    }
  }

  /** The topic goes and comes back under another identity; the producer knows the old one. */
  @Test
  void topicThatIsMadeAnew_getsWhatComesInOrder() throws Exception {
    String topic = freshTopic(1, Map.of());
    try (KafkaPublisher publisher = builder(Map.of()).build()) {
      assertThat(outcomes(publisher, List.of(Messages.of(topic, "k", "old"))))
          .containsExactly(DELIVERED);
      try (Admin admin = broker.admin()) {
        admin.deleteTopics(List.of(topic)).all().get(30, TimeUnit.SECONDS);
        Awaitility.await()
            .atMost(Duration.ofMinutes(1))
            .until(() -> !admin.listTopics().names().get(30, TimeUnit.SECONDS).contains(topic));
      }
      broker.createTopic(topic, 1, Map.of());
      List<Message> messages =
          new ArrayList<>(List.of(Messages.of(topic, "k", "1"), Messages.of(topic, "k", "2")));
      Awaitility.await()
          .atMost(Duration.ofMinutes(1))
          .until(
              () -> {
                List<Delivery.Outcome> outcomes = outcomes(publisher, messages);
                assertThat(outcomes).doesNotContain(REJECTED);
                while (!messages.isEmpty() && outcomes.get(0) == DELIVERED) {
                  messages.remove(0);
                  outcomes = outcomes.subList(1, outcomes.size());
                }
                return messages.isEmpty();
              });
      assertThat(broker.read(topic).stream().map(record -> record.value()).distinct())
          .containsExactly("1", "2");
    }
  }
}

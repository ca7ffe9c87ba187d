package dev.pgbelay.kafka;

import static org.assertj.core.api.Assertions.assertThat;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.outbox.Destination;
import dev.pgbelay.outbox.NewMessage;
import dev.pgbelay.outbox.Outbox;
import dev.pgbelay.outbox.OutboxRelay;
import dev.pgbelay.outbox.PoisonPolicy;
import dev.pgbelay.outbox.RetryPauses;
import dev.pgbelay.outbox.held.HeldKeys;
import dev.pgbelay.outbox.route.Routes;
import dev.pgbelay.testing.PostgresExtension;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
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
import org.jooq.DSLContext;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** A relay before a broker that is away for long, and one that refuses. */
@Timeout(180)
class RelayToKafkaTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create()
          // The broker, which all classes share, has threads of its own.
          .withoutLeakChecks()
          .withTemplate(
              dataSource ->
                  SchemaInstaller.builder(dataSource).modules("outbox").build().install());

  private static final AtomicInteger NUMBERS = new AtomicInteger();
  private static KafkaBroker broker;

  private final String topic = "relayed-" + NUMBERS.incrementAndGet();
  private final Outbox outbox = Outbox.create();
  private final Map<String, List<String>> appended = new LinkedHashMap<>();
  private Transactions transactions;
  private DSLContext dsl;
  private HikariDataSource heartbeats;
  private KafkaPublisher publisher;
  private @Nullable OutboxRelay relay;

  @BeforeAll
  static void start() throws Exception {
    broker = KafkaBroker.shared();
  }

  @BeforeEach
  void begin() throws Exception {
    broker.createTopic(topic, 2, Map.of("max.message.bytes", "10000"));
    transactions = Transactions.of(postgres.dataSource());
    dsl = DSL.using(postgres.dataSource(), SQLDialect.POSTGRES);
    transactions.execute(tx -> Routes.create().add(tx, topic, topic));
    heartbeats = StormTables.pool(postgres.jdbcUrl(), 1);
    publisher =
        KafkaPublisher.builder(Map.of("bootstrap.servers", broker.bootstrap()))
            .deliveryTimeout(Duration.ofSeconds(1))
            .build();
  }

  @AfterEach
  void end() {
    if (relay != null) {
      relay.stop(Duration.ZERO);
    }
    publisher.close();
    heartbeats.close();
  }

  private void relay(int attempts) {
    relay =
        OutboxRelay.builder(transactions, heartbeats)
            .pollInterval(Duration.ofMillis(20))
            .deliver(
                Destination.of(topic, publisher)
                    .withPoisonPolicy(PoisonPolicy.PARK_KEY)
                    .withRetries(
                        attempts,
                        RetryPauses.exponential(Duration.ofMillis(50), Duration.ofMillis(200))))
            .build();
    Objects.requireNonNull(relay).start();
  }

  private void append(int messages, int keys) {
    for (int i = 0; i < messages; i++) {
      append("k" + i % keys, "x");
    }
  }

  private String append(String key, String payload) {
    String id =
        transactions.run(
            tx ->
                outbox
                    .append(tx, NewMessage.text(topic, payload).withKey(key).withStrictOrder())
                    .messageId());
    appended.computeIfAbsent(key, first -> new ArrayList<>()).add(id);
    return id;
  }

  private int count(String sql, Object... values) {
    return Integer.parseInt(String.valueOf(dsl.fetchValue(sql, values)));
  }

  private interface Check {
    boolean holds() throws Exception;
  }

  private static void await(Check check) {
    Awaitility.await()
        .atMost(Duration.ofMinutes(1))
        .pollInterval(Duration.ofMillis(20))
        .ignoreExceptions()
        .until(check::holds);
  }

  private void awaitEmpty() {
    await(
        () ->
            count("select count(*) from pgbelay.outbox_message")
                    + count("select count(*) from pgbelay.outbox_held")
                    + count("select count(*) from pgbelay.outbox_held_key")
                == 0);
  }

  private Map<String, List<String>> firsts() {
    Map<String, List<String>> firsts = new LinkedHashMap<>();
    Set<String> known = new LinkedHashSet<>();
    broker
        .read(topic)
        .forEach(
            record -> {
              String id = KafkaHeaders.messageId(record.headers()).orElseThrow();
              if (known.add(id)) {
                firsts.computeIfAbsent(record.key(), first -> new ArrayList<>()).add(id);
              }
            });
    return firsts;
  }

  @Test
  void brokerThatIsDownForLongerThanTheDeliveryTimeout_getsEverythingInOrder() throws Exception {
    relay(1_000);
    append(40, 4);
    awaitEmpty();
    broker.downDuring(
        () -> {
          append(40, 4);
          await(() -> count("select coalesce(max(attempts), 0) from pgbelay.outbox_held_key") >= 2);
          append(40, 4);
        });
    awaitEmpty();
    assertThat(firsts()).isEqualTo(appended);
    assertThat(count("select count(*) from pgbelay.outbox_dead")).isZero();
  }

  /**
   * What the broker will never take is parked at once, what it may take later after its retries.
   */
  @Test
  void refusals_areParkedAsThePolicySaysAndResumeInOrder() throws Exception {
    relay(2);
    append("large", "first");
    String large = append("large", "x".repeat(20_000));
    append("large", "behind");
    await(() -> count("select count(*) from pgbelay.outbox_held_key where next_at is null") == 1);
    assertThat(count("select attempts from pgbelay.outbox_held_key"))
        .as("attempts of what will never be taken")
        .isEqualTo(1);
    assertThat(String.valueOf(dsl.fetchValue("select reason from pgbelay.outbox_held_key")))
        .startsWith("RecordTooLarge");
    List<AclBinding> acls =
        List.of(
            acl(AclOperation.ALL, AclPermissionType.ALLOW),
            acl(AclOperation.WRITE, AclPermissionType.DENY));
    try (Admin admin = broker.admin()) {
      admin.createAcls(acls).all().get(30, TimeUnit.SECONDS);
      append(4, 1);
      await(() -> count("select count(*) from pgbelay.outbox_held_key where next_at is null") == 2);
      assertThat(count("select attempts from pgbelay.outbox_held_key where hold_key = 'k:k0'"))
          .isEqualTo(2);
      assertThat(
              String.valueOf(
                  dsl.fetchValue(
                      "select reason from pgbelay.outbox_held_key where hold_key = 'k:k0'")))
          .startsWith("TopicAuthorizationException");
      admin
          .deleteAcls(acls.stream().map(AclBinding::toFilter).toList())
          .all()
          .get(30, TimeUnit.SECONDS);
    }
    await(
        () -> {
          transactions.execute(
              tx -> {
                HeldKeys.create().resume(tx, topic, "k:k0");
                HeldKeys.create().skip(tx, topic, "k:large");
              });
          return true;
        });
    awaitEmpty();
    assertThat(String.valueOf(dsl.fetchValue("select message_id from pgbelay.outbox_dead")))
        .isEqualTo(large);
    Objects.requireNonNull(appended.get("large")).remove(large);
    assertThat(firsts()).isEqualTo(appended);
  }

  private AclBinding acl(AclOperation operation, AclPermissionType permission) {
    return new AclBinding(
        new ResourcePattern(ResourceType.TOPIC, topic, PatternType.LITERAL),
        new AccessControlEntry("User:ANONYMOUS", "*", operation, permission));
  }
}

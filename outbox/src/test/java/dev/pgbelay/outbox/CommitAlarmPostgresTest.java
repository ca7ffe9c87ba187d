package dev.pgbelay.outbox;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.core.Tx;
import dev.pgbelay.core.wakeup.WakeUps;
import dev.pgbelay.outbox.route.Routes;
import dev.pgbelay.testing.PostgresExtension;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.sql.Connection;
import java.util.List;
import java.util.OptionalInt;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Who is told of an append, and when. */
class CommitAlarmPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(OutboxFixture.SCHEMA);

  private final OutboxFixture fixture = new OutboxFixture(postgres.dataSource());
  private final List<Set<Integer>> told = new CopyOnWriteArrayList<>();
  private final CommitListener relay =
      new CommitListener() {
        @Override
        public void committed(Set<Integer> appended) {
          told.add(appended);
        }

        @Override
        public OptionalInt ownedLane() {
          return OptionalInt.of(17);
        }
      };

  private int destinationId() {
    return fixture.count(
        "select id from pgbelay.outbox_destination where name = ?", fixture.destination);
  }

  @Test
  void relayOfThisProcess_isToldAfterTheCommit() {
    fixture.outbox.attach(relay);
    fixture.transactions.execute(
        tx -> {
          fixture.outbox.append(tx, fixture.message("key", "x"));
          fixture.outbox.appendAll(
              tx, List.of(fixture.message("key", "y"), fixture.message("other", "z")));
          assertThat(told).isEmpty();
        });
    assertThat(told).hasSize(2);
    assertThat(told).allSatisfy(one -> assertThat(one).containsExactly(destinationId()));
    fixture.outbox.detach(relay);
    fixture.append(fixture.message("x"));
    assertThat(told).hasSize(2);
  }

  /** What is remembered of the routes says who is woken, not where a message goes. */
  @Test
  void routesThatHaveJustChanged_countForTheNextAppend() {
    fixture.outbox.attach(relay);
    fixture.append(fixture.message("key", "x"));
    fixture.append(fixture.message("key", "y"));
    assertThat(told).hasSize(2);
    String other = fixture.destination + "-too";
    fixture.transactions.execute(tx -> Routes.create().add(tx, fixture.topic, other));
    fixture.append(fixture.message("key", "to both"));
    assertThat(
            fixture.count(
                "select count(*) from pgbelay.outbox_message where topic = ?", fixture.topic))
        .isEqualTo(4);
    fixture.append(fixture.message("key", "to both again"));
    assertThat(told.get(3)).hasSize(2);
    fixture.transactions.execute(
        tx -> {
          Routes.create().remove(tx, fixture.topic, other);
          Routes.create().remove(tx, fixture.topic, fixture.destination);
        });
    assertThatThrownBy(() -> fixture.append(fixture.message("key", "nowhere")))
        .hasMessageContaining("Routes.add");
  }

  @Test
  void rolledBackAndDuplicateAppends_areNotTold() {
    fixture.outbox.attach(relay);
    fixture.append(fixture.message("x").withMessageId("told once " + fixture.topic));
    assertThat(told).hasSize(1);
    fixture.append(fixture.message("x").withMessageId("told once " + fixture.topic));
    assertThatThrownBy(
            () ->
                fixture.transactions.execute(
                    tx -> {
                      fixture.outbox.append(tx, fixture.message("x"));
                      throw new IllegalStateException("back");
                    }))
        .hasMessageContaining("back");
    fixture.transactions.execute(
        tx ->
            assertThatThrownBy(
                    () ->
                        tx.dsl()
                            .transaction(
                                nested -> {
                                  fixture.outbox.append(
                                      Tx.join(nested.dsl()), fixture.message("x"));
                                  throw new IllegalStateException("back");
                                }))
                .hasMessageContaining("back"));
    assertThat(told).hasSize(1);
  }

  @Test
  void messageWithoutKey_goesToALaneOfTheAttachedRelay() {
    fixture.outbox.attach(relay);
    fixture.append(fixture.message("x"));
    fixture.appendAll(List.of(fixture.message("y"), fixture.message("z")));
    assertThat(
            fixture.count(
                "select count(*) from pgbelay.outbox_message where topic = ? and lane = 17",
                fixture.topic))
        .isEqualTo(3);
  }

  @Test
  void joinedTransactionWithoutCallback_appendsAndTellsNobody() throws Exception {
    fixture.outbox.attach(relay);
    try (Connection connection = postgres.dataSource().getConnection()) {
      connection.setAutoCommit(false);
      fixture.outbox.append(Tx.join(connection), fixture.message("x"));
      connection.commit();
    }
    assertThat(told).isEmpty();
    assertThat(fixture.payloads()).containsExactly("x");
  }

  @Test
  void otherProcesses_areToldByNotification() {
    List<String> heard = new CopyOnWriteArrayList<>();
    try (WakeUps sends = WakeUps.builder(postgres.dataSource()).channel("outbox_test").build();
        WakeUps hears = WakeUps.builder(postgres.dataSource()).channel("outbox_test").build()) {
      hears.addListener(heard::add);
      hears.start();
      sends.start();
      OutboxFixture.await(hears::isHealthy);
      Outbox announcing = Outbox.builder().announcedBy(sends).build();
      fixture.transactions.execute(tx -> announcing.append(tx, fixture.message("x")));
      OutboxFixture.await(() -> heard.contains(CommitAlarm.topic(destinationId())));
    }
  }

  @Test
  void metrics_countAppendedMessagesAndDuplicates() {
    SimpleMeterRegistry registry = new SimpleMeterRegistry();
    Outbox counted = Outbox.builder().meterRegistry(registry).build();
    NewMessage named = fixture.message("x").withMessageId("counted " + fixture.topic);
    fixture.transactions.execute(
        tx -> {
          counted.append(tx, fixture.message("x"));
          counted.appendAll(tx, List.of(fixture.message("y"), named, named));
          counted.append(tx, named);
        });
    assertThat(registry.get("pgbelay.outbox.appended").counter().count()).isEqualTo(3);
    assertThat(registry.get("pgbelay.outbox.duplicates").counter().count()).isEqualTo(2);
  }
}

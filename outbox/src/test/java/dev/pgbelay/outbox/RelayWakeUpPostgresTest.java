package dev.pgbelay.outbox;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.TxWork;
import dev.pgbelay.core.wakeup.WakeUps;
import dev.pgbelay.outbox.deadletter.DeadLetters;
import dev.pgbelay.outbox.held.HeldKeys;
import dev.pgbelay.outbox.replay.Published;
import dev.pgbelay.outbox.replay.Replay;
import dev.pgbelay.outbox.route.Routes;
import dev.pgbelay.testing.PostgresExtension;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What is appended, replayed, redriven or resumed is found by a relay that polls never. */
class RelayWakeUpPostgresTest {
  private static final int ROUNDS = 3;

  @RegisterExtension
  @Order(1)
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(RelayFixture.SCHEMA);

  @RegisterExtension
  @Order(2)
  static final RelayFixture.Relays relays = new RelayFixture.Relays(postgres);

  private final RelayFixture fixture = new RelayFixture(postgres, relays);
  private final AtomicBoolean refusing = new AtomicBoolean();
  private final Collected collected =
      new Collected()
          .answering(message -> refusing.get() ? Delivery.rejected("no") : Delivery.delivered());

  private Destination destination(PoisonPolicy policy) {
    return Destination.of(fixture.destination, collected)
        .withRetention(Duration.ofDays(1))
        .withPoisonPolicy(policy);
  }

  private OutboxRelayBuilder relay(PoisonPolicy policy) {
    return fixture.relay(destination(policy)).pollsNever();
  }

  private void run(TxWork.Action<RuntimeException> work) {
    fixture.transactions.execute(work);
  }

  private String route() {
    String topic = "topic-" + fixture.destination;
    run(tx -> Routes.create().add(tx, topic, fixture.destination));
    return topic;
  }

  private void append(Outbox outbox, String topic) {
    int before = collected.count();
    run(tx -> outbox.append(tx, NewMessage.text(topic, "hello").withKey("k")));
    RelayFixture.await(() -> refusing.get() || collected.count() == before + 1);
  }

  @Test
  void commitOfThisProcess_wakesTheRelay() {
    String topic = route();
    Outbox outbox = Outbox.create();
    fixture.start(relay(PoisonPolicy.BLOCK_KEY).wokenBy(outbox));
    for (int i = 0; i < 5; i++) {
      append(outbox, topic);
    }
    assertThat(collected.texts("k")).hasSize(5);
  }

  /** An outbox of this process, or one of another that announces. */
  private interface Scene {
    void run(Outbox outbox, OutboxRelayBuilder relay);
  }

  private void inScene(boolean otherProcess, PoisonPolicy policy, Scene scene) {
    if (!otherProcess) {
      Outbox outbox = Outbox.create();
      scene.run(outbox, relay(policy).wokenBy(outbox));
      return;
    }
    try (HikariDataSource here = RelayFixture.pool(postgres.jdbcUrl(), 2);
        HikariDataSource there = RelayFixture.pool(postgres.jdbcUrl(), 2);
        WakeUps heard = WakeUps.builder(here).channel(fixture.destination).build();
        WakeUps sent = WakeUps.builder(there).channel(fixture.destination).build()) {
      heard.start();
      sent.start();
      RelayFixture.await(() -> heard.isHealthy() && sent.isHealthy());
      scene.run(Outbox.builder().announcedBy(sent).build(), relay(policy).wokenBy(heard));
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void replay_wakesTheRelay(boolean otherProcess) {
    String topic = route();
    inScene(
        otherProcess,
        PoisonPolicy.BLOCK_KEY,
        (outbox, relay) -> {
          OutboxRelay started = fixture.start(relay);
          append(outbox, topic);
          RelayFixture.await(fixture::isEmpty);
          Published all = Published.to(fixture.destination).withIds(0, Long.MAX_VALUE);
          Replay replay = Replay.of(fixture.transactions).waking(outbox);
          for (int i = 0; i < ROUNDS; i++) {
            int count = collected.count() + 1;
            assertThat(replay.replay(all)).isEqualTo(1);
            RelayFixture.await(() -> collected.count() == count);
          }
          assertThat(started.stop(Duration.ofSeconds(5)).isClean()).isTrue();
        });
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void redrive_wakesTheRelay(boolean otherProcess) {
    String topic = route();
    inScene(
        otherProcess,
        PoisonPolicy.DEAD_LETTER,
        (outbox, relay) -> {
          OutboxRelay started = fixture.start(relay);
          DeadLetters letters = DeadLetters.create().waking(outbox);
          for (int i = 0; i < ROUNDS; i++) {
            refusing.set(true);
            append(outbox, topic);
            RelayFixture.await(() -> fixture.dead() == 1 && fixture.isEmpty());
            refusing.set(false);
            int count = collected.count() + 1;
            if (i == 0) {
              long id = letters.list(fixture.dsl, fixture.destination, 1).get(0).id();
              run(tx -> letters.redrive(tx, fixture.destination, id));
            } else {
              run(tx -> letters.redriveMany(tx, fixture.destination, 10));
            }
            RelayFixture.await(() -> collected.count() == count);
          }
          assertThat(started.stop(Duration.ofSeconds(5)).isClean()).isTrue();
        });
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void resumeAndSkipOfAParkedKey_wakeTheRelay(boolean otherProcess) {
    String topic = route();
    inScene(
        otherProcess,
        PoisonPolicy.PARK_KEY,
        (outbox, relay) -> {
          OutboxRelay started = fixture.start(relay);
          HeldKeys keys = HeldKeys.create().waking(outbox);
          for (int i = 0; i < ROUNDS; i++) {
            refusing.set(true);
            append(outbox, topic);
            append(outbox, topic);
            RelayFixture.await(() -> fixture.parkedKeys() == 1 && fixture.held() == 2);
            refusing.set(false);
            int count = collected.count() + (i == 0 ? 1 : 2);
            boolean skips = i == 0;
            run(
                tx -> {
                  HeldKeys.Outcome done =
                      skips
                          ? keys.skip(tx, fixture.destination, "k:k")
                          : keys.resume(tx, fixture.destination, "k:k");
                  assertThat(done).isEqualTo(HeldKeys.Outcome.DONE);
                });
            RelayFixture.await(() -> collected.count() == count && fixture.isEmpty());
          }
          assertThat(started.stop(Duration.ofSeconds(5)).isClean()).isTrue();
        });
  }

  @Test
  void outboxOfAnotherSchema_isRefused() {
    Outbox other = Outbox.builder().schema("elsewhere").build();
    assertThatThrownBy(() -> Replay.of(fixture.transactions).waking(other))
        .hasMessageContaining("'elsewhere'")
        .hasMessageContaining("'pgbelay': give both the same schema");
    assertThatThrownBy(() -> DeadLetters.create().waking(other))
        .hasMessageContaining("'elsewhere'");
    assertThatThrownBy(() -> HeldKeys.create().waking(other)).hasMessageContaining("'elsewhere'");
  }
}

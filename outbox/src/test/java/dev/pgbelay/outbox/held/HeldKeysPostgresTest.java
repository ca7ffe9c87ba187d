package dev.pgbelay.outbox.held;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.core.Tx;
import dev.pgbelay.outbox.OutboxFixture;
import dev.pgbelay.outbox.deadletter.DeadLetter;
import dev.pgbelay.outbox.deadletter.DeadLetters;
import dev.pgbelay.outbox.held.HeldKeys.Outcome;
import dev.pgbelay.testing.PostgresExtension;
import java.sql.Connection;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Keys that wait, and what an operator does about them. */
class HeldKeysPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(OutboxFixture.SCHEMA);

  private final OutboxFixture fixture = new OutboxFixture(postgres.dataSource());
  private final HeldKeys keys = HeldKeys.create();

  private void hold(boolean parked, String... keysOfMessages) {
    int number = 0;
    for (String key : keysOfMessages) {
      fixture.append(fixture.message(key, key + number++).withType("t").withHeader("h", "x"));
    }
    fixture.holdAll(parked);
  }

  private Outcome resume(String name) {
    return fixture.transactions.run(tx -> keys.resume(tx, fixture.destination, name));
  }

  private Outcome skip(String name) {
    return fixture.transactions.run(tx -> keys.skip(tx, fixture.destination, name));
  }

  private HeldKey only() {
    List<HeldKey> all = keys.list(fixture.dsl, fixture.destination, 10);
    assertThat(all).hasSize(1);
    return all.get(0);
  }

  @Test
  void keys_areListedByPages() {
    hold(true, "a", "b", "a", "c");
    List<HeldKey> all = keys.list(fixture.dsl, fixture.destination, 10);
    assertThat(all).extracting(HeldKey::name).containsExactly("k:a", "k:b", "k:c");
    assertThat(all).extracting(HeldKey::messages).containsExactly(2L, 1L, 1L);
    HeldKey first = all.get(0);
    assertThat(first.key()).contains("a");
    assertThat(first.attempts()).isEqualTo(5);
    assertThat(first.reason()).isEqualTo("no answer");
    assertThat(first.nextAttemptAt()).isEmpty();
    assertThat(keys.list(fixture.dsl, fixture.destination, 2)).isEqualTo(all.subList(0, 2));
    assertThat(keys.list(fixture.dsl, fixture.destination, "k:b", 2)).isEqualTo(all.subList(2, 3));
    assertThat(keys.list(fixture.dsl, "another", 10)).isEmpty();
  }

  @Test
  void messagesOfAKey_areListedInTheirOrder() {
    hold(true, "a", "b", "a", "a");
    List<HeldMessage> all = keys.messages(fixture.dsl, fixture.destination, "k:a", 0, 10);
    assertThat(all).hasSize(3).isSortedAccordingTo((x, y) -> Long.compare(x.id(), y.id()));
    assertThat(all.get(0).topic()).isEqualTo(fixture.topic);
    assertThat(all.get(0).type()).contains("t");
    assertThat(all.get(0).headers()).containsEntry("h", "x");
    assertThat(keys.messages(fixture.dsl, fixture.destination, "k:a", all.get(0).id(), 1))
        .isEqualTo(all.subList(1, 2));
    assertThat(keys.payload(fixture.dsl, fixture.destination, "k:a", all.get(1).id()).orElseThrow())
        .asString()
        .isEqualTo("a2");
    assertThat(keys.payload(fixture.dsl, fixture.destination, "k:b", all.get(1).id())).isEmpty();
  }

  @Test
  void messageWithoutKey_isHeldUnderItsId() {
    fixture.append(fixture.message("x"));
    fixture.holdAll(true);
    assertThat(only().key()).isEmpty();
    assertThat(only().name()).startsWith("m:");
    assertThat(resume(only().name())).isEqualTo(Outcome.DONE);
  }

  @Test
  void resumedKey_isDueAtOnceWithAllAttempts() {
    hold(true, "a");
    assertThat(resume("k:a")).isEqualTo(Outcome.DONE);
    assertThat(only().attempts()).isZero();
    assertThat(only().nextAttemptAt()).isPresent();
    assertThat(
            fixture.count(
                "select count(*) from pgbelay.outbox_held_key where hold_key = 'k:a'"
                    + " and next_at <= clock_timestamp() and destination ="
                    + " (select id from pgbelay.outbox_destination where name = ?)",
                fixture.destination))
        .isEqualTo(1);
    assertThat(resume("k:b")).isEqualTo(Outcome.NOT_FOUND);
  }

  @Test
  void skippedMessage_isADeadLetterAndTheNextOneIsDue() {
    hold(true, "a", "a");
    assertThat(skip("k:a")).isEqualTo(Outcome.DONE);
    List<DeadLetter> dead = DeadLetters.create().list(fixture.dsl, fixture.destination, 10);
    assertThat(dead).hasSize(1);
    assertThat(dead.get(0).reason()).isEqualTo("skipped: no answer");
    assertThat(dead.get(0).attempts()).isEqualTo(5);
    assertThat(
            DeadLetters.create()
                .payload(fixture.dsl, fixture.destination, dead.get(0).id())
                .orElseThrow())
        .asString()
        .isEqualTo("a0");
    assertThat(only().messages()).isEqualTo(1);
    assertThat(only().attempts()).isZero();
    assertThat(only().nextAttemptAt()).isPresent();
    assertThat(skip("k:a")).isEqualTo(Outcome.NOT_PARKED);
    assertThat(skip("k:b")).isEqualTo(Outcome.NOT_FOUND);
    assertThat(only().messages()).isEqualTo(1);
  }

  @Test
  void keyThatIsTriedAgainByItself_isNotSkipped() {
    hold(false, "a");
    assertThat(only().nextAttemptAt()).isPresent();
    assertThat(skip("k:a")).isEqualTo(Outcome.NOT_PARKED);
    assertThat(only().messages()).isEqualTo(1);
  }

  /** The relay that has the key's row changes what the first message is. */
  @Test
  void skip_waitsForTheRelayAndTakesWhatIsFirstThen() throws Exception {
    hold(true, "a", "a", "a");
    try (Connection relay = postgres.dataSource().getConnection()) {
      relay.setAutoCommit(false);
      Tx tx = Tx.join(relay);
      tx.dsl()
          .execute(
              "update pgbelay.outbox_held_key set attempts = 1 where hold_key = 'k:a' and destination ="
                  + " (select id from pgbelay.outbox_destination where name = ?)",
              fixture.destination);
      tx.dsl()
          .execute(
              "delete from pgbelay.outbox_held where topic = ? and id ="
                  + " (select min(id) from pgbelay.outbox_held where topic = ?)",
              fixture.topic,
              fixture.topic);
      CompletableFuture<Outcome> skipped = CompletableFuture.supplyAsync(() -> skip("k:a"));
      OutboxFixture.await(() -> fixture.waiting("transactionid") == 1);
      relay.commit();
      assertThat(skipped.get(60, TimeUnit.SECONDS)).isEqualTo(Outcome.DONE);
    }
    List<DeadLetter> dead = DeadLetters.create().list(fixture.dsl, fixture.destination, 10);
    assertThat(dead).hasSize(1);
    Optional<byte[]> payload =
        DeadLetters.create().payload(fixture.dsl, fixture.destination, dead.get(0).id());
    assertThat(payload.orElseThrow()).asString().isEqualTo("a1");
    assertThat(only().messages()).isEqualTo(1);
  }

  /** Two operators, or one who asks twice: the key is parked again for the next message. */
  @Test
  void messageThatIsNotFirstAnyMore_isNotSkipped() {
    hold(true, "a", "a", "a");
    List<HeldMessage> seen = keys.messages(fixture.dsl, fixture.destination, "k:a", 0, 10);
    assertThat(skip("k:a", seen.get(0).id())).isEqualTo(Outcome.DONE);
    fixture.dsl.execute(
        "update pgbelay.outbox_held_key set next_at = null where destination = ?",
        fixture.destinationId());
    assertThat(skip("k:a", seen.get(0).id())).isEqualTo(Outcome.NOT_FIRST);
    assertThat(skip("k:a", seen.get(2).id())).isEqualTo(Outcome.NOT_FIRST);
    assertThat(only().messages()).isEqualTo(2);
    assertThat(only().nextAttemptAt()).isEmpty();
    assertThat(skip("k:a", seen.get(1).id())).isEqualTo(Outcome.DONE);
    assertThat(skip("k:b", seen.get(1).id())).isEqualTo(Outcome.NOT_FOUND);
    assertThat(
            DeadLetters.create().list(fixture.dsl, fixture.destination, 10).stream()
                .map(DeadLetter::id))
        .containsExactly(seen.get(0).id(), seen.get(1).id());
  }

  private Outcome skip(String name, long id) {
    return fixture.transactions.run(tx -> keys.skip(tx, fixture.destination, name, id));
  }
}

package dev.pgbelay.outbox;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.testing.PostgresExtension;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Publishers that do not do as they should: the policy decides, as about any other failure. */
class RelayOfBadPublisherPostgresTest {
  private static final RetryPauses SHORT =
      RetryPauses.exponential(Duration.ofMillis(10), Duration.ofMillis(20));

  @RegisterExtension
  @Order(1)
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(RelayFixture.SCHEMA);

  @RegisterExtension
  @Order(2)
  static final RelayFixture.Relays relays = new RelayFixture.Relays(postgres);

  private final RelayFixture fixture = new RelayFixture(postgres, relays);

  private enum Fault {
    NO_LIST {
      @Override
      @SuppressWarnings("NullAway") // that is the fault
      List<Delivery> answer(List<Message> messages) {
        return null;
      }
    },
    NULL_AMONG_THEM {
      @Override
      List<Delivery> answer(List<Message> messages) {
        Delivery[] answers = new Delivery[messages.size()];
        return Arrays.asList(answers);
      }
    },
    TOO_FEW {
      @Override
      List<Delivery> answer(List<Message> messages) {
        return List.of();
      }
    },
    TOO_MANY {
      @Override
      List<Delivery> answer(List<Message> messages) {
        List<Delivery> answers = new ArrayList<>();
        messages.forEach(message -> answers.add(Delivery.delivered()));
        answers.add(Delivery.delivered());
        return answers;
      }
    },
    TAKES_MESSAGES_OUT_OF_THE_LIST {
      @Override
      List<Delivery> answer(List<Message> messages) {
        messages.clear();
        return List.of();
      }
    },
    ERROR {
      @Override
      List<Delivery> answer(List<Message> messages) {
        throw new NoClassDefFoundError("codec");
      }
    },
    LAZY_LIST_THAT_FAILS {
      @Override
      List<Delivery> answer(List<Message> messages) {
        return new java.util.AbstractList<>() {
          @Override
          public Delivery get(int index) {
            throw new IllegalStateException("not yet");
          }

          @Override
          public int size() {
            return messages.size();
          }
        };
      }
    },
    INTERRUPTED_BY_ITSELF {
      @Override
      List<Delivery> answer(List<Message> messages) throws InterruptedException {
        throw new InterruptedException("the client's own");
      }
    };

    abstract List<Delivery> answer(List<Message> messages) throws InterruptedException;
  }

  @ParameterizedTest
  @EnumSource
  void publisherThatBreaksItsContract_countsAsAFailedAttempt(Fault fault) {
    fixture.append("k", "1");
    fixture.append("k", "2");
    fixture.append(null, "3");
    AtomicInteger calls = new AtomicInteger();
    MessagePublisher publisher =
        new MessagePublisher() {
          @Override
          public List<Delivery> publish(List<Message> messages) throws InterruptedException {
            calls.incrementAndGet();
            return fault.answer(messages);
          }

          @Override
          public int batchSize() {
            return 10;
          }
        };
    fixture.start(
        Destination.of(fixture.destination, publisher)
            .withPoisonPolicy(PoisonPolicy.DEAD_LETTER)
            .withRetries(2, SHORT));
    RelayFixture.await(fixture::isEmpty);
    assertThat(fixture.dead()).isEqualTo(3);
    assertThat(calls).hasValueLessThanOrEqualTo(6);
  }

  /** An answer from elsewhere must not stop what is written about all other keys. */
  @Test
  void pauseWithoutEnd_isCutToWhatCanBeStored() {
    fixture.append("k", "1");
    fixture.append("other", "2");
    Collected collected =
        new Collected()
            .answering(
                message ->
                    Delivery.failed(
                        "later",
                        Collected.text(message).equals("1")
                            ? Duration.ofSeconds(Long.MAX_VALUE)
                            : Duration.ofMillis(Long.MAX_VALUE)));
    fixture.start(Destination.of(fixture.destination, collected).withRetries(10, SHORT));
    RelayFixture.await(() -> fixture.heldKeys() == 2);
    assertThat(
            fixture.count(
                "select count(*) from pgbelay.outbox_held_key where destination = ?"
                    + " and next_at > now() + interval '1 day'",
                fixture.number))
        .isEqualTo(2);
  }

  @Test
  void negativePause_isTheOwnOne() {
    fixture.append("k", "1");
    AtomicInteger attempts = new AtomicInteger();
    Collected collected =
        new Collected()
            .answering(
                message ->
                    attempts.incrementAndGet() < 3
                        ? Delivery.failed("now", Duration.ofDays(-1))
                        : Delivery.delivered());
    fixture.start(Destination.of(fixture.destination, collected).withRetries(10, SHORT));
    RelayFixture.await(fixture::isEmpty);
    assertThat(collected.count()).isEqualTo(1);
  }

  /** A reason of any text is stored. */
  @Test
  void reasonThatCannotBeStoredAsItIs_isStoredNevertheless() {
    fixture.append("k", "1");
    Collected collected =
        new Collected()
            .answering(message -> Delivery.failed("\0 \uD83D and " + "\uD83D\uDE00".repeat(2_000)));
    fixture.start(
        Destination.of(fixture.destination, collected)
            .withPoisonPolicy(PoisonPolicy.DEAD_LETTER)
            .withRetries(1, SHORT));
    RelayFixture.await(() -> fixture.dead() == 1);
  }

  /** A deploy that comes while a message is tried again must not give it all attempts anew. */
  @Test
  void relayThatStopsWithinAnotherAttempt_doesNotForgetTheOnesBefore() throws Exception {
    fixture.append("k", "poison");
    AtomicInteger attempts = new AtomicInteger();
    CountDownLatch third = new CountDownLatch(1);
    Collected collected =
        new Collected()
            .answering(
                message -> {
                  if (attempts.incrementAndGet() == 3) {
                    third.countDown();
                    TimeUnit.MINUTES.sleep(5);
                  }
                  return Delivery.failed("not today");
                });
    OutboxRelay relay =
        fixture.start(Destination.of(fixture.destination, collected).withRetries(10, SHORT));
    assertThat(third.await(60, TimeUnit.SECONDS)).isTrue();
    assertThat(relay.stop(Duration.ZERO).isClean()).isTrue();
    assertThat(
            fixture.dsl.fetch(
                "select attempts, reason from pgbelay.outbox_held_key where destination = ?",
                fixture.number))
        .singleElement()
        .satisfies(
            row -> {
              assertThat(row.get("attempts", Integer.class)).isEqualTo(2);
              assertThat(row.get("reason", String.class)).isEqualTo("not today");
            });
    assertThat(fixture.held()).isEqualTo(1);
  }
}

package dev.pgbelay.outbox.handler;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.core.CommitPosition;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.outbox.Delivery;
import dev.pgbelay.outbox.Message;
import dev.pgbelay.outbox.inbox.Inbox;
import dev.pgbelay.outbox.jackson.JacksonCodec;
import dev.pgbelay.testing.PostgresExtension;
import java.io.IOException;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicInteger;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

class HandlerPublisherPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create()
          .withTemplate(
              dataSource -> {
                SchemaInstaller.builder(dataSource).modules("batch", "outbox").build().install();
                DSL.using(dataSource, SQLDialect.POSTGRES)
                    .execute("create table effect (id text not null)");
              });

  private static Message message() {
    return message("x");
  }

  private static Message message(String payload) {
    return new Message(
        1,
        UUID.randomUUID().toString(),
        "orders",
        Optional.empty(),
        Optional.empty(),
        Map.of(),
        payload.getBytes(UTF_8),
        Instant.EPOCH,
        1,
        "claim",
        false,
        new CommitPosition(1, 1, 1));
  }

  private static Delivery publish(HandlerPublisher publisher, Message message) throws Exception {
    return publisher.publish(List.of(message)).get(0);
  }

  private static HandlerPublisher throwing(Exception failure) {
    return HandlerPublisher.of(
        message -> {
          throw failure;
        });
  }

  private static int effects(Message message) {
    return DSL.using(postgres.dataSource(), SQLDialect.POSTGRES)
        .fetchSingle("select count(*) from effect where id = ?", message.messageId())
        .get(0, Integer.class);
  }

  @Test
  void handlerThatReturns_hasTheMessage() throws Exception {
    Message message = message();
    AtomicInteger calls = new AtomicInteger();
    HandlerPublisher publisher =
        HandlerPublisher.of(
            given -> {
              assertThat(given).isSameAs(message);
              calls.incrementAndGet();
            });
    assertThat(publish(publisher, message)).isEqualTo(Delivery.delivered());
    assertThat(calls).hasValue(1);
  }

  @Test
  void handlerThatThrows_failedOrRejected() throws Exception {
    assertThat(publish(throwing(new IOException("no")), message()))
        .isEqualTo(Delivery.failed("java.io.IOException: no"));
    Delivery rejected = publish(throwing(new RejectedMessageException("never")), message());
    assertThat(rejected.outcome()).isEqualTo(Delivery.Outcome.REJECTED);
    assertThat(rejected.reason()).contains("never");
    HandlerPublisher more =
        throwing(new NumberFormatException("x"))
            .rejecting(IllegalArgumentException.class)
            .rejecting(IOException.class);
    assertThat(publish(more, message()).outcome()).isEqualTo(Delivery.Outcome.REJECTED);
    assertThatThrownBy(() -> publish(throwing(new InterruptedException()), message()))
        .isInstanceOf(InterruptedException.class);
  }

  /** Its text may be made by code of its own. */
  @SuppressWarnings("OverrideThrowableToString") // it is this very method that must not be trusted
  private static final class Speechless extends Exception {
    private static final long serialVersionUID = 1L;

    @Override
    public String toString() {
      throw new IllegalStateException("no words");
    }
  }

  @Test
  void failureThatCannotSayWhatItIs_isAFailedAttempt() throws Exception {
    assertThat(publish(throwing(new Speechless()), message()))
        .isEqualTo(Delivery.failed(Speechless.class.getName()));
  }

  @Test
  void messageBehindOneThatFailed_isHeldBackAndNotHandled() throws Exception {
    AtomicInteger calls = new AtomicInteger();
    HandlerPublisher publisher =
        HandlerPublisher.of(
            message -> {
              if (calls.incrementAndGet() == 2) {
                throw new IOException("no");
              }
            });
    assertThat(publisher.publish(List.of(message(), message(), message())))
        .extracting(Delivery::outcome)
        .containsExactly(
            Delivery.Outcome.DELIVERED, Delivery.Outcome.FAILED, Delivery.Outcome.HELD_BACK);
    assertThat(calls).hasValue(2);
  }

  @Test
  void messageThatIsDeliveredAgain_isHandledOnceInItsTransaction() throws Exception {
    Message message = message();
    HandlerPublisher publisher =
        HandlerPublisher.inTransaction(
            Transactions.of(postgres.dataSource()),
            Inbox.create(),
            "billing",
            (tx, given) ->
                tx.dsl().execute("insert into effect (id) values (?)", given.messageId()));
    assertThat(publish(publisher, message)).isEqualTo(Delivery.delivered());
    assertThat(publish(publisher, message)).isEqualTo(Delivery.delivered());
    assertThat(effects(message)).isEqualTo(1);
  }

  private static HandlerPublisher writing(String consumer) {
    return HandlerPublisher.inTransaction(
        Transactions.of(postgres.dataSource()),
        Inbox.create(),
        consumer,
        (tx, given) -> tx.dsl().execute("insert into effect (id) values (?)", given.messageId()));
  }

  @Test
  void handlersOfTwoConsumers_handleAMessageEachOnce() throws Exception {
    Message message = message();
    for (String consumer : List.of("billing", "stock", "billing", "stock")) {
      assertThat(publish(writing(consumer), message)).isEqualTo(Delivery.delivered());
    }
    assertThat(effects(message)).isEqualTo(2);
  }

  @Test
  void transactionThatFails_leavesNothingAndIsTriedAgain() throws Exception {
    Message message = message();
    AtomicInteger calls = new AtomicInteger();
    HandlerPublisher publisher =
        HandlerPublisher.inTransaction(
            Transactions.of(postgres.dataSource()),
            Inbox.create(),
            "billing",
            (tx, given) -> {
              tx.dsl().execute("insert into effect (id) values (?)", given.messageId());
              if (calls.incrementAndGet() == 1) {
                throw new RejectedMessageException("once");
              }
            });
    assertThat(publish(publisher, message).outcome()).isEqualTo(Delivery.Outcome.REJECTED);
    assertThat(effects(message)).isZero();
    assertThat(publish(publisher, message)).isEqualTo(Delivery.delivered());
    assertThat(effects(message)).isEqualTo(1);
  }

  /** Hazard 18: it is not confused with a failure of the handler, and is not tried in vain. */
  @Test
  void payloadThatTheCodecRefuses_isRejectedAndSaidSo() throws Exception {
    JacksonCodec<Integer> codec = JacksonCodec.of(Integer.class);
    AtomicInteger sum = new AtomicInteger();
    HandlerPublisher publisher =
        HandlerPublisher.of(message -> sum.addAndGet(message.payload(codec)));
    assertThat(publish(publisher, message("7"))).isEqualTo(Delivery.delivered());
    assertThat(sum).hasValue(7);
    for (String unread : List.of("{\"secret\": 1}", "null", "", "not json")) {
      Delivery delivery = publish(publisher, message(unread));
      assertThat(delivery.outcome()).isEqualTo(Delivery.Outcome.REJECTED);
      assertThat(delivery.reason())
          .startsWith("payload cannot be read: message 1 of topic 'orders' (")
          .doesNotContain("secret");
    }
    Delivery other = publish(throwing(new IllegalStateException("codec")), message("7"));
    assertThat(other.outcome()).isEqualTo(Delivery.Outcome.FAILED);
  }

  /** The inbox has no mark of it: once the code can read it, it is processed. */
  @Test
  void payloadThatTheCodecRefuses_leavesNoMarkInTheInbox() throws Exception {
    Message message = message("\"text\"");
    AtomicInteger version = new AtomicInteger(1);
    HandlerPublisher publisher =
        HandlerPublisher.inTransaction(
            Transactions.of(postgres.dataSource()),
            Inbox.create(),
            "billing",
            (tx, given) -> {
              tx.dsl().execute("insert into effect (id) values (?)", given.messageId());
              Object ignored =
                  version.get() == 1
                      ? given.payload(JacksonCodec.of(Integer.class))
                      : given.payload(JacksonCodec.of(String.class));
            });
    Delivery refused = publish(publisher, message);
    assertThat(refused.outcome()).isEqualTo(Delivery.Outcome.REJECTED);
    assertThat(refused.reason()).startsWith("payload cannot be read: ");
    assertThat(effects(message)).isZero();
    version.set(2);
    assertThat(publish(publisher, message)).isEqualTo(Delivery.delivered());
    assertThat(effects(message)).isEqualTo(1);
  }
}

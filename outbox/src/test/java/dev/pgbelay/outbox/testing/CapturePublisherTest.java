package dev.pgbelay.outbox.testing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.core.CommitPosition;
import dev.pgbelay.outbox.Delivery;
import dev.pgbelay.outbox.Delivery.Outcome;
import dev.pgbelay.outbox.Message;
import dev.pgbelay.outbox.OutboxFixture;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/** The publisher fails as it is told. */
class CapturePublisherTest {
  private final CapturePublisher publisher = CapturePublisher.ofBatches(10);

  private static Message message(long id, String key) {
    return new Message(
        id,
        "m" + id,
        "orders",
        Optional.of(key),
        Optional.empty(),
        Map.of(),
        new byte[0],
        Instant.EPOCH,
        1,
        "claim",
        false,
        new CommitPosition(1, 1, 1));
  }

  private List<Outcome> publish(Message... messages) throws InterruptedException {
    return publisher.publish(List.of(messages)).stream().map(Delivery::outcome).toList();
  }

  @Test
  void messages_areKeptInTheirOrder() throws Exception {
    assertThat(publish(message(1, "a"), message(2, "b"), message(3, "a")))
        .containsOnly(Outcome.DELIVERED);
    assertThat(publisher.delivered()).extracting(Message::sequence).containsExactly(1L, 2L, 3L);
    assertThat(publisher.deliveredOf("a")).extracting(Message::sequence).containsExactly(1L, 3L);
    assertThat(publisher.batchSize()).isEqualTo(10);
  }

  @Test
  void failedMessage_holdsItsKeyBack() throws Exception {
    publisher.failNext(1, "told to");
    assertThat(publish(message(1, "a"), message(2, "a"), message(3, "b")))
        .containsExactly(Outcome.FAILED, Outcome.HELD_BACK, Outcome.DELIVERED);
    assertThat(publish(message(1, "a"), message(2, "a"))).containsOnly(Outcome.DELIVERED);
    assertThat(publisher.offered()).hasSize(5);
    assertThat(publisher.delivered()).extracting(Message::sequence).containsExactly(3L, 1L, 2L);
  }

  @Test
  void rejectedMessages_areThoseThatWereSaid() throws Exception {
    publisher.reject(message -> message.sequence() == 2);
    assertThat(publish(message(1, "a"), message(2, "b"), message(3, "b")))
        .containsExactly(Outcome.DELIVERED, Outcome.REJECTED, Outcome.HELD_BACK);
  }

  @Test
  void call_throwsAsOftenAsItWasTold() throws Exception {
    publisher.throwNext(1);
    assertThatThrownBy(() -> publish(message(1, "a"))).isInstanceOf(IllegalStateException.class);
    assertThat(publish(message(1, "a"))).containsExactly(Outcome.DELIVERED);
  }

  @Test
  void heldCall_waitsForItsLatch() throws Exception {
    CountDownLatch open = new CountDownLatch(1);
    publisher.holdUntil(open);
    CompletableFuture<Void> call =
        CompletableFuture.runAsync(
            () -> {
              try {
                publish(message(1, "a"));
              } catch (InterruptedException e) {
                throw new IllegalStateException(e);
              }
            });
    OutboxFixture.await(() -> publisher.offered().size() == 1);
    assertThat(publisher.delivered()).isEmpty();
    open.countDown();
    call.get(60, TimeUnit.SECONDS);
    assertThat(publisher.delivered()).hasSize(1);
  }
}

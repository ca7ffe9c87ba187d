package dev.pgbelay.kafka;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.pgbelay.core.CommitPosition;
import dev.pgbelay.outbox.Message;
import java.time.Instant;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/** Messages as a relay hands them out. */
final class Messages {
  private static final AtomicLong SEQUENCE = new AtomicLong();

  private Messages() {}

  static Message of(String topic, @Nullable String key, String payload) {
    return new Message(
        SEQUENCE.incrementAndGet(),
        UUID.randomUUID().toString(),
        topic,
        Optional.ofNullable(key),
        Optional.of("a-type"),
        Map.of("traceparent", "00-ab-cd-01", "pgbelay-claim", "mine"),
        payload.getBytes(UTF_8),
        Instant.EPOCH,
        3,
        "claim-7",
        true,
        new CommitPosition(-1, 2, 0x1_0000_0010L));
  }
}

package dev.pgbelay.outbox.http;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.pgbelay.core.CommitPosition;
import dev.pgbelay.outbox.Message;
import java.time.Instant;
import java.util.Map;
import java.util.Optional;

/** Messages as a relay hands them out. */
final class Messages {
  private Messages() {}

  static Message of(String id, String key, String payload, Map<String, String> headers) {
    return new Message(
        1,
        id,
        "orders",
        Optional.of(key),
        Optional.of("order-placed"),
        headers,
        payload.getBytes(UTF_8),
        Instant.EPOCH,
        3,
        "claim-7",
        true,
        new CommitPosition(1, 1, 1));
  }

  static Message of(String id) {
    return of(id, "order-42", "{\"id\":42}", Map.of());
  }
}

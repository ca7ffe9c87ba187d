package dev.pgbelay.outbox.testing;

import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * A message that was appended and not delivered. Two are equal only with the very same array of
 * bytes.
 *
 * @param messageId of which its receivers know repeats
 * @param payload as it was appended
 * @param destinations by name, that are to get it
 * @param replay whether it had been delivered once and was asked for again
 */
@SuppressWarnings("ArrayRecordComponent") // as in NewMessage
public record AppendedMessage(
    String messageId,
    String topic,
    Optional<String> key,
    Optional<String> type,
    Map<String, String> headers,
    byte[] payload,
    Set<String> destinations,
    boolean replay) {
  /** The payload as text in UTF-8. */
  public String text() {
    return new String(payload, StandardCharsets.UTF_8);
  }
}

package dev.pgbelay.outbox.held;

import java.time.Instant;
import java.util.Map;
import java.util.Optional;

/**
 * A message that waits behind the first one of its key, or is that. Immutable and safe for several
 * threads. Its payload is left in the database; {@link HeldKeys#payload} reads it.
 *
 * @param id its number
 * @param messageId of which its receivers know repeats
 * @param type what its payload is
 * @param headers of its producer
 * @param appendedAt by the database's clock
 * @param replay whether it had been delivered once and was asked for again
 */
public record HeldMessage(
    long id,
    String messageId,
    String topic,
    Optional<String> type,
    Map<String, String> headers,
    Instant appendedAt,
    boolean replay) {}

package dev.pgbelay.outbox.deadletter;

import java.time.Instant;
import java.util.Map;
import java.util.Optional;

/**
 * A message that was given up for one destination. Immutable and safe for several threads. Its
 * payload is left in the database; {@link DeadLetters#payload} reads it.
 *
 * @param destination that did not get it
 * @param id its number there
 * @param messageId which it keeps
 * @param key whose order has a gap where it was
 * @param type what its payload is
 * @param headers of its producer
 * @param attempts how often it was tried
 * @param reason why it was given up
 * @param appendedAt by the database's clock
 * @param diedAt by the database's clock
 * @param replay whether it had been delivered once and was asked for again
 */
public record DeadLetter(
    String destination,
    long id,
    String messageId,
    String topic,
    Optional<String> key,
    Optional<String> type,
    Map<String, String> headers,
    int attempts,
    String reason,
    Instant appendedAt,
    Instant diedAt,
    boolean replay) {}

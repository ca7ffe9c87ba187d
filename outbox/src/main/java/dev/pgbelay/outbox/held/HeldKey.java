package dev.pgbelay.outbox.held;

import java.time.Instant;
import java.util.Optional;

/**
 * A key whose messages wait for one destination because the first of them could not be delivered.
 * Immutable and safe for several threads.
 *
 * @param destination that did not get it
 * @param name by which the calls of {@link HeldKeys} know it: {@code k:} and the key, or {@code m:}
 *     and the id of a message that has no key
 * @param key of the messages; empty if it is one message without a key
 * @param attempts how often the first message was tried
 * @param reason why it failed
 * @param heldAt since when, by the database's clock
 * @param nextAttemptAt when it is tried again; empty if it is parked until somebody decides
 * @param messages how many wait, those that the relay has not seen yet left out
 */
public record HeldKey(
    String destination,
    String name,
    Optional<String> key,
    int attempts,
    String reason,
    Instant heldAt,
    Optional<Instant> nextAttemptAt,
    long messages) {}

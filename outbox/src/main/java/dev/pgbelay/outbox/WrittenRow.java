package dev.pgbelay.outbox;

import org.jspecify.annotations.Nullable;

/**
 * A row of outbox_message that an append has written, as the statement told.
 *
 * @param at where it lies
 * @param appendedAtMicros by the database's clock
 * @param transactionId of the transaction as a whole, if that itself has written the row: then
 *     nothing but the end of the transaction can take it back. Null for one that was written under
 *     a savepoint
 * @param database in which it is: an outbox may be used in several, whose ids are the same
 */
record WrittenRow(
    int destination,
    long id,
    String at,
    long appendedAtMicros,
    @Nullable String transactionId,
    String database) {}

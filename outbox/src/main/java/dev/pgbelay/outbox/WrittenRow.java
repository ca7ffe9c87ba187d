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
 */
record WrittenRow(
    int destination, long id, String at, long appendedAtMicros, @Nullable String transactionId) {}

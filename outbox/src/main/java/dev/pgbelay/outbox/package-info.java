/**
 * Messages that leave if and only if their transaction committed, in the order of their key.
 *
 * <p>{@link dev.pgbelay.outbox.Outbox} appends them in the business transaction; {@link
 * dev.pgbelay.outbox.OutboxRelay} hands them to a {@link dev.pgbelay.outbox.MessagePublisher}.
 */
@NullMarked
package dev.pgbelay.outbox;

import org.jspecify.annotations.NullMarked;

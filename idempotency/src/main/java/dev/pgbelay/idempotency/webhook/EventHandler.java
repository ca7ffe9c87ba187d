package dev.pgbelay.idempotency.webhook;

import dev.pgbelay.core.Tx;

/**
 * What an event does here.
 *
 * <p>Runs in a transaction that also marks the event as processed: what it writes is committed with
 * that mark, or not at all. It may run several times, each time from the event alone, and never
 * twice at once for one event; for several events at once if the worker has several threads. Calls
 * of other services do not belong here: they happen again with each attempt, and a transaction that
 * is silent for the inbox's lease is ended by the server.
 *
 * <p>Events of one object arrive in any order, and are handled in any order. Compare the version,
 * sequence or time that the provider gives with the one stored for the object, and do nothing for
 * an older one.
 */
@FunctionalInterface
public interface EventHandler {
  /**
   * Handles one event.
   *
   * @return anything but {@link Handled#processed} rolls back what was written
   * @throws Exception which rolls back too; the event is tried again later. Its class is stored as
   *     the reason, its message is not
   */
  Handled handle(Tx tx, WebhookEvent event) throws Exception;
}

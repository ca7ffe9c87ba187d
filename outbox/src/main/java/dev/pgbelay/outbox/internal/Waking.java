package dev.pgbelay.outbox.internal;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Tx;
import dev.pgbelay.outbox.Outbox;
import org.jspecify.annotations.Nullable;

/**
 * Which relays are told of what an operator has done. Immutable and safe for several threads.
 *
 * @param outbox whose relays those are; null if they find it with their next poll
 */
public record Waking(@Nullable Outbox outbox) {
  public static final Waking NOBODY = new Waking(null);

  /**
   * Passes an outbox of the same tables.
   *
   * @throws PgBelayException naming both schemas
   */
  public static Waking of(Outbox outbox, String schema) {
    if (!outbox.schema().equals(schema)) {
      throw new PgBelayException(
          "the relays of an outbox of schema '"
              + outbox.schema()
              + "' are to be woken for what is done in schema '"
              + schema
              + "': give both the same schema");
    }
    return new Waking(outbox);
  }

  public void afterCommit(Tx tx, String destination) {
    if (outbox != null) {
      outbox.wakeRelays(tx, destination);
    }
  }
}

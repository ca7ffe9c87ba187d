package dev.pgbelay.core.horizon;

import java.time.Duration;

/**
 * Something because of which VACUUM leaves dead rows where they are. Immutable and safe for several
 * threads.
 *
 * @param holder what it is
 * @param name by which it is found again: a process id, the name of a prepared transaction, of a
 *     slot or of a standby, with what else is known
 * @param transactions how many transactions have begun since then
 * @param held how long already: since the transaction's begin where the server tells that, else
 *     since the guard has seen it first
 */
public record HorizonPin(Holder holder, String name, long transactions, Duration held) {
  /** What holds the horizon, and so how to free it. */
  public enum Holder {
    /** A transaction of a session: {@code pg_terminate_backend(pid)}. */
    SESSION,
    /** {@code ROLLBACK PREPARED} or {@code COMMIT PREPARED}. */
    PREPARED_TRANSACTION,
    /** Its consumer is behind or gone: {@code pg_drop_replication_slot(name)}. */
    REPLICATION_SLOT,
    /** A query on a standby with hot_standby_feedback: end it there. */
    STANDBY
  }

  @Override
  public String toString() {
    return switch (holder) {
          case SESSION -> "session ";
          case PREPARED_TRANSACTION -> "prepared transaction ";
          case REPLICATION_SLOT -> "replication slot ";
          case STANDBY -> "standby ";
        }
        + name
        + " for "
        + Duration.ofSeconds(held.toSeconds())
        + ", "
        + transactions
        + " transactions back";
  }
}

package dev.pgbelay.core;

import dev.pgbelay.core.internal.PgDriver;
import dev.pgbelay.core.internal.PgDriver.State;
import java.sql.SQLException;
import java.util.concurrent.atomic.AtomicBoolean;
import org.postgresql.PGConnection;

/**
 * Notices that a transaction was ended by SQL text. The driver knows after every statement whether
 * a transaction is open; the text itself would have to be parsed to know as much.
 */
final class TransactionWatch {
  private enum Phase {
    /** No statement was sent that could be seen here. */
    UNTOUCHED,
    /** As before, but the driver's own connection was handed out: what it does is not seen. */
    OUT_OF_SIGHT,
    OPEN,
    ENDED
  }

  private final PGConnection driver;
  private final String path;
  private Phase phase = Phase.UNTOUCHED;
  private final AtomicBoolean touched = new AtomicBoolean();
  private boolean returned;

  TransactionWatch(PGConnection driver, String path) {
    this.driver = driver;
    this.path = path;
  }

  /** Called between statements: a transaction that was open once and is idle now has ended. */
  private Phase look() {
    boolean idle = PgDriver.state(driver) == State.IDLE;
    if (phase != Phase.ENDED && !idle) {
      phase = Phase.OPEN;
    } else if (phase == Phase.OPEN) {
      phase = Phase.ENDED;
    }
    return phase;
  }

  /** Whether COMMIT or ROLLBACK was sent behind the owner's back. */
  boolean hasEnded() {
    return look() == Phase.ENDED;
  }

  /** Whether nothing can have been sent, neither here nor on the driver's own connection. */
  boolean isUntouched() {
    return look() == Phase.UNTOUCHED;
  }

  PGConnection driver() {
    return driver;
  }

  String path() {
    return path;
  }

  /** Whether a statement was made ready, or may have been, since this transaction was entered. */
  AtomicBoolean touched() {
    return touched;
  }

  void handOutDriver() {
    touched.set(true);
    if (look() == Phase.UNTOUCHED) {
      phase = Phase.OUT_OF_SIGHT;
    }
  }

  /** The owner is about to end it: whatever the work has kept of it is of no use any more. */
  void workReturned() {
    returned = true;
  }

  boolean hasReturned() {
    return returned;
  }

  void requireRunning() {
    if (returned) {
      throw new TransactionException(
          FailureKind.MISUSE,
          "the transaction of path '"
              + path
              + "' has ended: its work has returned, and what was kept of its Tx cannot be used any"
              + " more, in a hook neither. Do this inside the work, or in another transaction",
          null);
    }
  }

  /** What came after the end would be in another transaction, which nobody would know of. */
  void beforeStatement() {
    requireRunning();
    touched.set(true);
    if (hasEnded()) {
      throw endedInside();
    }
  }

  /** Outside autocommit every statement begins a transaction, so idle behind one means ended. */
  void afterStatement() {
    if (PgDriver.state(driver) == State.IDLE) {
      phase = Phase.ENDED;
      throw endedInside();
    }
    look();
  }

  /** The failure itself goes on its way; the end is told at the next statement or at the end. */
  void afterFailure(Throwable failure) {
    if (PgDriver.state(driver) == State.IDLE
        && failure instanceof SQLException error
        && PgDriver.isFromServer(error)
        && !TransactionEnd.isSessionLost(error)) {
      phase = Phase.ENDED;
    } else {
      look();
    }
  }

  OutcomeUnknownException endedInside() {
    return new OutcomeUnknownException(
        "path '"
            + path
            + "' ended its transaction inside the work, by COMMIT or ROLLBACK as SQL text: what of"
            + " it was committed is not known. Return from the work to commit, throw to roll back",
        null,
        null);
  }
}

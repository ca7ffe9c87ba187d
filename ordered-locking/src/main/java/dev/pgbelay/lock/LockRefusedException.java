package dev.pgbelay.lock;

import dev.pgbelay.core.FailureKind;
import dev.pgbelay.core.TransactionException;

/**
 * A lock that must not be asked for in this way; it was not, and nothing is held that was not held
 * before. The message names the class, the rule and what to do.
 */
public final class LockRefusedException extends TransactionException {
  private static final long serialVersionUID = 1L;

  /** Which rule was broken. */
  public enum Reason {
    /** The class has no rank in this order. */
    UNKNOWN_CLASS,
    /** Two classes of the order have the same rank. */
    DUPLICATE_RANK,
    /** Two classes of the order have the same name, table (or root of partitions) or number. */
    DUPLICATE_CLASS,
    /** A part of a key is null. */
    NULL_KEY,
    /** A key has another number of parts than the class, or a part is of another type. */
    WRONG_KEY_TYPE,
    /** The table or a column of the key does not exist, or is not visible, or is no table. */
    NOT_FOUND,
    /** No unique index makes one row of one key. */
    KEY_NOT_UNIQUE,
    /** {@link LockMode#UPDATE} on a table that foreign keys point to, without the word for it. */
    REFERENCED_TABLE,
    /** Something later in the order is held already. */
    DOWN_THE_ORDER,
    /** The same class is held already, and only the server knows how its keys are ordered. */
    ORDER_NOT_KNOWN,
    /** The row is held already in a mode that is weaker. */
    STRONGER_MODE,
    /** A name under REPEATABLE READ or SERIALIZABLE, whose snapshot is older than the lock. */
    ISOLATION,
    /** Locks were taken in this transaction through another {@link LockOrder}. */
    OTHER_ORDER
  }

  private final Reason reason;

  LockRefusedException(Reason reason, String message) {
    super(FailureKind.MISUSE, message, null);
    this.reason = reason;
  }

  public Reason reason() {
    return reason;
  }
}

package dev.pgbelay.core;

/**
 * What a failure means. Recognised by SQLSTATE, by what the caller had set and by which node
 * answered, never by message text; the guide has the table.
 *
 * @see Failures#classify(Throwable)
 */
public enum FailureKind {
  /** 40001 on a primary: a concurrent transaction won. The next run can succeed. */
  SERIALIZATION_FAILURE(Fate.ROLLED_BACK, true),
  /** 40P01: this side was chosen to break a deadlock. */
  DEADLOCK(Fate.ROLLED_BACK, true),
  /** 40001 or 40P01 on a node in recovery: replay needed what the query was looking at. */
  RECOVERY_CONFLICT(Fate.ROLLED_BACK, true),
  /** The session died before COMMIT was sent; the server rolls back. */
  CONNECTION_LOST(Fate.ROLLED_BACK, true),
  /** No connection could be made, or the server is starting, stopping or full. */
  CANNOT_CONNECT(Fate.NEVER_BEGUN, true),
  /** The pool had no connection to give in time: the path holding them is the one to look at. */
  POOL_EXHAUSTED(Fate.NEVER_BEGUN, false),
  /** The named path already had all the transactions that its bulkhead allows. */
  BULKHEAD_FULL(Fate.NEVER_BEGUN, false),
  /** The time that the caller had given is used up. */
  DEADLINE_EXCEEDED(Fate.ROLLED_BACK, false),
  /** 57014 after the {@code statement_timeout} that was set here had passed. */
  STATEMENT_TIMEOUT(Fate.ROLLED_BACK, false),
  /** 57014 otherwise: somebody cancelled, or a timeout that the session brought along. */
  QUERY_CANCELED(Fate.ROLLED_BACK, false),
  /** 55P03 after the {@code lock_timeout} that was set here had passed. */
  LOCK_TIMEOUT(Fate.ROLLED_BACK, false),
  /** 55P03 at once: NOWAIT, or an object in use. */
  LOCK_NOT_AVAILABLE(Fate.ROLLED_BACK, false),
  /** 25P03 or 25P04: the session was ended because the transaction idled or lasted too long. */
  TRANSACTION_TIMEOUT(Fate.ROLLED_BACK, false),
  /** 25006: a write reached a read-only transaction or a node in recovery. */
  READ_ONLY(Fate.ROLLED_BACK, false),
  /** 25P02: an earlier statement had failed; PostgreSQL refuses all others. */
  TRANSACTION_ABORTED(Fate.ROLLED_BACK, false),
  /** COMMIT was sent and its outcome is not known. Never retried, never guessed. */
  OUTCOME_UNKNOWN(Fate.UNKNOWN, false),
  /** 23505. */
  UNIQUE_VIOLATION(Fate.ROLLED_BACK, false),
  /** 23503. */
  FOREIGN_KEY_VIOLATION(Fate.ROLLED_BACK, false),
  /** 23502, 23514, 23P01 and the rest of class 23. */
  CONSTRAINT_VIOLATION(Fate.ROLLED_BACK, false),
  /** Class 22: a value that the type does not take. */
  INVALID_DATA(Fate.ROLLED_BACK, false),
  /** 42501 and class 28: missing grants, row level security, authentication. */
  NOT_PERMITTED(Fate.ROLLED_BACK, false),
  /** Class 42 otherwise: the statement does not fit the schema. */
  INVALID_STATEMENT(Fate.ROLLED_BACK, false),
  /** Classes 53 and 54: out of memory, disk, connections or limits. */
  RESOURCES_EXHAUSTED(Fate.ROLLED_BACK, false),
  /**
   * A rule of {@link Transactions} was broken: nested by mistake, autocommit, foreign commit. What
   * had begun was rolled back.
   */
  MISUSE(Fate.ROLLED_BACK, false),
  /** Anything else, failures of the caller's own code included. */
  OTHER(Fate.ROLLED_BACK, false);

  /** What is known about the transaction once {@link Transactions} has handed the failure out. */
  public enum Fate {
    /** Nothing was sent that could have changed anything. */
    NEVER_BEGUN,
    /** Nothing was changed. */
    ROLLED_BACK,
    /** It may have been committed or not. */
    UNKNOWN
  }

  private final Fate fate;
  private final boolean transientFailure;

  FailureKind(Fate fate, boolean transientFailure) {
    this.fate = fate;
    this.transientFailure = transientFailure;
  }

  /**
   * What is known about the data once {@link Transactions} has handed out a failure of this kind.
   * For a failure that did not come out of it, the kind says what the server does by itself.
   */
  public Fate fate() {
    return fate;
  }

  /**
   * Whether the same transaction, run again from its start, may well succeed and cannot double
   * anything. These are the kinds that {@link TxOptions.Retry#defaults()} retries.
   */
  public boolean isRetryable() {
    return transientFailure;
  }
}

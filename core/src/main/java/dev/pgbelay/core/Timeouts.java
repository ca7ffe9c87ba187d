package dev.pgbelay.core;

import dev.pgbelay.core.FailureNote.Verdict;
import dev.pgbelay.core.internal.PgDriver;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.postgresql.PGConnection;

/**
 * Turns what remains of a deadline into {@code statement_timeout} and {@code lock_timeout}. Both
 * hold per statement, so they are set again before a statement once less than half of what was set
 * remains: a handful of extra round trips over the life of a transaction, never one per statement.
 */
final class Timeouts {
  private final Connection connection;
  private final PGConnection driver;
  private final String path;
  private final @Nullable Deadline deadline;
  private final long lockTimeoutMillis;
  private long statementMillis;
  private long lockMillis;
  private long statementStart = System.nanoTime();
  private int timesSent;
  private boolean undone;

  Timeouts(
      Connection connection,
      PGConnection driver,
      String path,
      @Nullable Deadline deadline,
      @Nullable Duration lockTimeout) {
    this.connection = connection;
    this.driver = driver;
    this.path = path;
    this.deadline = deadline;
    this.lockTimeoutMillis = lockTimeout == null ? 0 : lockTimeout.toMillis();
    compute();
  }

  /** Zero stands for none, as it does for the server. */
  long statementMillis() {
    return statementMillis;
  }

  long lockMillis() {
    return lockMillis;
  }

  /** A rollback to a savepoint has put back what was in force there, whatever that was. */
  void rolledBackToSavepoint() {
    undone = true;
  }

  PGConnection driver() {
    return driver;
  }

  @Nullable Deadline deadline() {
    return deadline;
  }

  long millisSinceStatementStart() {
    return TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - statementStart);
  }

  /**
   * Leaves the verdict on a failure that these timeouts caused: whoever looks at it later only
   * knows the timeouts of the whole transaction.
   */
  void explain(Throwable failure, String stretchOf, Object attempt) {
    FailureKind kind =
        Failures.classify(
            failure,
            new Failures.Circumstances(
                statementMillis, lockMillis, millisSinceStatementStart(), null));
    if (kind == FailureKind.STATEMENT_TIMEOUT || kind == FailureKind.LOCK_TIMEOUT) {
      FailureNote.leave(failure, Verdict.ofStretch(attempt, stretchOf, kind));
    }
  }

  /** Called right before a statement is sent. */
  void statementStarts() {
    if (deadline != null) {
      long remaining = TimeUnit.NANOSECONDS.toMillis(deadline.remainingNanos());
      if (undone || remaining < statementMillis / 2 || remaining == 0) {
        setAgain();
      }
    }
    statementStart = System.nanoTime();
  }

  private void setAgain() {
    try {
      if (PgDriver.state(driver) != PgDriver.State.FAILED) {
        send();
        undone = false;
      }
    } catch (SQLException e) {
      throw new TransactionException(
          Failures.classify(e), "path '" + path + "' could not set its timeouts again", e);
    }
  }

  int timesSent() {
    return timesSent;
  }

  private void send() throws SQLException {
    compute();
    timesSent++;
    write(statementMillis + "ms", lockMillis + "ms");
  }

  /** Puts this deadline in force and returns what was in force before. */
  Saved enter() throws SQLException {
    Saved saved;
    try (PreparedStatement read = connection.prepareStatement(TransactionSql.READ_TIMEOUTS);
        ResultSet row = read.executeQuery()) {
      row.next();
      saved = new Saved(row.getString(1), row.getString(2));
    }
    send();
    return saved;
  }

  record Saved(String statement, String lock) {}

  /** Not in a failed transaction: there the rollback puts everything back. */
  void leave(Saved saved) throws SQLException {
    if (PgDriver.state(driver) == PgDriver.State.OPEN) {
      write(saved.statement(), saved.lock());
    }
  }

  private void write(String statement, String lock) throws SQLException {
    try (PreparedStatement set = connection.prepareStatement(TransactionSql.SET_TIMEOUTS)) {
      set.setString(1, statement);
      set.setString(2, lock);
      set.execute();
    }
  }

  private void compute() {
    if (deadline == null) {
      lockMillis = lockTimeoutMillis;
      return;
    }
    long remaining = deadline.remainingNanos();
    if (remaining == 0) {
      throw new TransactionException(
          FailureKind.DEADLINE_EXCEEDED,
          "path '" + path + "' has used up its deadline; nothing was committed",
          null);
    }
    statementMillis = Math.max(1, TimeUnit.NANOSECONDS.toMillis(remaining));
    lockMillis =
        lockTimeoutMillis == 0 ? statementMillis : Math.min(lockTimeoutMillis, statementMillis);
  }
}

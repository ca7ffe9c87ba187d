package dev.pgbelay.lock.witness;

import java.sql.SQLException;
import java.sql.SQLTransactionRollbackException;

/**
 * A deadlock, with a report of who met. Takes the place of the driver's exception, which is its
 * cause, on connections of {@link LockWitness#observe}. It is an {@code SQLException} with the same
 * SQLSTATE 40P01 because JDBC allows no other, and so that whoever classifies or retries by the
 * state goes on doing so. jOOQ and Spring wrap it; {@link DeadlockReport#in} finds the report
 * again.
 */
public final class DeadlockException extends SQLTransactionRollbackException {
  private static final long serialVersionUID = 1L;

  private final transient DeadlockReport report;

  DeadlockException(DeadlockReport report, SQLException cause) {
    super(report.toString(), cause.getSQLState(), cause.getErrorCode(), cause);
    this.report = report;
  }

  public DeadlockReport report() {
    return report;
  }
}

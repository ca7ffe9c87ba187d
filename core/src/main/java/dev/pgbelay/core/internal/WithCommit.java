package dev.pgbelay.core.internal;

import dev.pgbelay.core.Tx;
import dev.pgbelay.core.TxWork;

/**
 * Sends the last statement of a transaction in the round trip of its COMMIT. If it fails, COMMIT is
 * not carried out, and the transaction ends as after any statement that fails there. How many rows
 * it changed is not told: what must not commit without it has to fail. In a transaction in which
 * another statement has failed before, it must fail as well, as every statement does there that
 * does not end it: that is how such a transaction is noticed.
 */
public interface WithCommit {
  /**
   * A statement; nobody reads the rows that it may return.
   *
   * @param sql one statement, without a semicolon behind it
   */
  record Statement(String sql, TxWork.Binding values) {}

  /** At most one for each transaction, after everything else that it does. */
  void withCommit(Statement statement);

  /** Whether it will be sent; not where another one ends the transaction. */
  static boolean offer(Tx tx, Statement statement) {
    if (tx instanceof WithCommit end) {
      end.withCommit(statement);
      return true;
    }
    return false;
  }
}

package dev.pgbelay.core.internal;

import dev.pgbelay.core.TxWork;
import org.jooq.Configuration;

/**
 * Sends the last statement of a transaction in the round trip of its COMMIT. If it fails, COMMIT is
 * not carried out, and the transaction ends as after any statement that fails there. How many rows
 * it changed is not told: what must not commit without it has to fail.
 */
public interface WithCommit {
  /**
   * A statement that returns no rows.
   *
   * @param sql one statement, without a semicolon behind it
   */
  record Statement(String sql, TxWork.Binding values) {}

  /** At most one for each transaction, after everything else that it does. */
  void withCommit(Statement statement);

  /** Whether it will be sent; not where another one ends the transaction. */
  static boolean offer(Configuration configuration, Statement statement) {
    if (configuration.connectionProvider() instanceof WithCommit end) {
      end.withCommit(statement);
      return true;
    }
    return false;
  }
}

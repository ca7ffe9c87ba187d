package dev.pgbelay.core.internal;

import dev.pgbelay.core.Tx;
import org.jooq.Configuration;
import org.jooq.ExecuteListenerProvider;

/**
 * What a transaction wants to do before each of its statements, also before one that is sent by
 * JDBC and that jOOQ's execute listeners do not see: set the remainder of its deadline again.
 */
public interface StatementStart {

  /** Called right before a statement is sent on the transaction's connection. */
  void statementStarts();

  /** Tells whoever wants to know that a statement is about to be sent in this transaction. */
  static void announce(Tx tx) {
    if (tx instanceof StatementStart owned) {
      owned.statementStarts();
    } else {
      announce(tx.dsl().configuration());
    }
  }

  /** Tells whoever wants to know that a statement is about to be sent through these settings. */
  static void announce(Configuration configuration) {
    for (ExecuteListenerProvider provider : configuration.executeListenerProviders()) {
      if (provider instanceof StatementStart waiting) {
        waiting.statementStarts();
      }
    }
  }
}

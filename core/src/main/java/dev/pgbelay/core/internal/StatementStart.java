package dev.pgbelay.core.internal;

import org.jooq.Configuration;
import org.jooq.ExecuteListenerProvider;

/**
 * What a transaction wants to do before each of its statements, also before one that is sent by
 * JDBC and that jOOQ's execute listeners do not see: set the remainder of its deadline again.
 */
public interface StatementStart {

  /** Called right before a statement is sent on the transaction's connection. */
  void statementStarts();

  /** Tells whoever wants to know that a statement is about to be sent through these settings. */
  static void announce(Configuration configuration) {
    for (ExecuteListenerProvider provider : configuration.executeListenerProviders()) {
      if (provider instanceof StatementStart waiting) {
        waiting.statementStarts();
      }
    }
  }
}

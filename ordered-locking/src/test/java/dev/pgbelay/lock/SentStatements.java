package dev.pgbelay.lock;

import dev.pgbelay.core.observe.StatementEvent;
import dev.pgbelay.core.observe.StatementObserver;
import dev.pgbelay.core.observe.TransactionEvent;
import java.util.List;

/** Keeps the texts of the statements that went through the test's pool. */
final class SentStatements implements StatementObserver {
  private final List<String> sent;

  SentStatements(List<String> sent) {
    this.sent = sent;
  }

  @Override
  public void executed(StatementEvent event) {
    sent.add(event.sql());
  }

  @Override
  public void ended(TransactionEvent event) {}
}

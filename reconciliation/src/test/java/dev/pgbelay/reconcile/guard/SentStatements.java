package dev.pgbelay.reconcile.guard;

import dev.pgbelay.core.observe.StatementEvent;
import dev.pgbelay.core.observe.StatementObserver;
import dev.pgbelay.core.observe.TransactionEvent;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

/** Every statement that a test's connections have sent. */
final class SentStatements implements StatementObserver {
  private final List<String> all = new CopyOnWriteArrayList<>();

  List<String> all() {
    return all;
  }

  /** Those that contain it. */
  List<String> with(String part) {
    return all.stream().filter(sql -> sql.contains(part)).toList();
  }

  void clear() {
    all.clear();
  }

  @Override
  public void executed(StatementEvent event) {
    all.add(event.sql());
  }

  @Override
  public void ended(TransactionEvent event) {}
}

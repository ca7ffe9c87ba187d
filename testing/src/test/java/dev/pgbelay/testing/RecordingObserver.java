package dev.pgbelay.testing;

import dev.pgbelay.core.observe.StatementEvent;
import dev.pgbelay.core.observe.StatementObserver;
import dev.pgbelay.core.observe.TransactionEvent;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.CopyOnWriteArrayList;

/** Keeps what it sees; with a forbidden word, complains about statements that contain it. */
public final class RecordingObserver implements StatementObserver {
  static final List<RecordingObserver> loaded = new CopyOnWriteArrayList<>();

  final List<StatementEvent> statements = new CopyOnWriteArrayList<>();
  final List<TransactionEvent> ends = new CopyOnWriteArrayList<>();
  private final String forbidden;
  private final List<String> findings = new CopyOnWriteArrayList<>();

  public RecordingObserver() {
    this("");
    loaded.add(this);
  }

  RecordingObserver(String forbidden) {
    this.forbidden = forbidden;
  }

  @Override
  public void executed(StatementEvent event) {
    statements.add(event);
    if (!forbidden.isEmpty() && event.sql().toLowerCase(Locale.ROOT).contains(forbidden)) {
      findings.add(event.sql() + " at " + event.callSite());
    }
  }

  @Override
  public void ended(TransactionEvent event) {
    ends.add(event);
  }

  @Override
  public void testStarted(String testName) {
    findings.clear();
    statements.clear();
    ends.clear();
  }

  @Override
  public List<String> findings() {
    return new ArrayList<>(findings);
  }
}

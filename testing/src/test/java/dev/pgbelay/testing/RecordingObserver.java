package dev.pgbelay.testing;

import dev.pgbelay.core.observe.SavepointEvent;
import dev.pgbelay.core.observe.StatementEvent;
import dev.pgbelay.core.observe.StatementObserver;
import dev.pgbelay.core.observe.TransactionEvent;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.concurrent.CopyOnWriteArrayList;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;

/** Keeps what it sees; with a forbidden word, complains about statements that contain it. */
public final class RecordingObserver implements StatementObserver {
  static final List<RecordingObserver> loaded = new CopyOnWriteArrayList<>();

  final List<StatementEvent> statements = new CopyOnWriteArrayList<>();
  final List<TransactionEvent> ends = new CopyOnWriteArrayList<>();
  final List<SavepointEvent> savepoints = new CopyOnWriteArrayList<>();
  private final String forbidden;
  private final List<String> findings = new CopyOnWriteArrayList<>();
  private @Nullable DataSource unobserved;

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
  public void savepoint(SavepointEvent event) {
    savepoints.add(event);
  }

  @Override
  public void observing(DataSource unobserved) {
    this.unobserved = unobserved;
  }

  DataSource unobserved() {
    return Objects.requireNonNull(unobserved);
  }

  @Override
  public void testStarted(String testName) {
    findings.clear();
    statements.clear();
    ends.clear();
    savepoints.clear();
  }

  @Override
  public List<String> findings() {
    return new ArrayList<>(findings);
  }
}

package dev.pgbelay.lock.witness;

import dev.pgbelay.core.observe.SavepointEvent;
import dev.pgbelay.core.observe.StatementEvent;
import dev.pgbelay.core.observe.StatementObserver;
import dev.pgbelay.core.observe.TransactionEvent;
import dev.pgbelay.core.observe.TransactionEvent.Outcome;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;

/**
 * Brings a {@link LockWitness} into tests that run on {@code PostgresExtension}. Named in {@code
 * META-INF/services/dev.pgbelay.core.observe.StatementObserver} of the test resources it watches
 * every test, with one strict witness for the JVM. With a witness of one's own: {@link
 * LockWitness#observer()}, or a subclass with a public constructor without parameters.
 */
public class WitnessObserver implements StatementObserver {
  private final LockWitness witness;
  private final Map<Long, ObservedSession> sessions = new ConcurrentHashMap<>();
  private final DatabaseView database;
  private volatile @Nullable DataSource unobserved;
  private int told;

  /** One for all that is loaded by name. */
  private static final class OfJvm {
    static final LockWitness WITNESS = LockWitness.builder().build();
  }

  /** With the strict witness that this JVM has for all observers made in this way. */
  public WitnessObserver() {
    this(OfJvm.WITNESS);
  }

  protected WitnessObserver(LockWitness witness) {
    this.witness = witness;
    this.database = witness.view(() -> unobserved);
  }

  @Override
  public final void observing(DataSource way) {
    this.unobserved = way;
  }

  @Override
  public final void executed(StatementEvent event) {
    DeadlockReport deadlock =
        session(event.session())
            .executed(
                new Execution(
                    event.sql(),
                    event.values(),
                    event.autoCommit(),
                    event.updateCount(),
                    event.failure(),
                    event::callSite));
    if (deadlock != null && event.failure() != null) {
      event.failure().addSuppressed(new DeadlockNote(deadlock));
    }
  }

  @Override
  public final void savepoint(SavepointEvent event) {
    session(event.session()).savepoint(event.action(), event.name());
  }

  @Override
  public final void ended(TransactionEvent event) {
    ObservedSession session = sessions.get(event.session());
    if (session != null) {
      session.end(event.outcome() == Outcome.COMMITTED, event::callSite);
    }
  }

  private ObservedSession session(long pid) {
    return sessions.computeIfAbsent(
        pid, any -> new ObservedSession(witness, database, new ObservedSessions.Id("", pid), ""));
  }

  @Override
  public final synchronized void testStarted(String testName) {
    told = witness.findings().size();
  }

  /** The findings that are new since the test began. */
  @Override
  public final synchronized List<String> findings() {
    List<LockFinding> all = witness.findings();
    List<String> fresh =
        all.subList(Math.min(told, all.size()), all.size()).stream()
            .map(LockFinding::toString)
            .toList();
    told = all.size();
    return fresh;
  }
}

package dev.pgbelay.lock.witness;

import dev.pgbelay.core.Failures;
import dev.pgbelay.core.observe.CallSite;
import dev.pgbelay.core.observe.SavepointEvent;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import java.util.Set;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One server session as a witness sees it: what its transaction did to locks. Its own thread feeds
 * it, others may ask what it holds.
 */
final class ObservedSession {
  private static final Logger LOG = LoggerFactory.getLogger(LockWitness.class);
  private static final String DEADLOCK = "40P01";
  private static final int STEPS_KEPT = 64;

  private final LockWitness witness;
  private final DatabaseView database;
  private final ObservedSessions.Id id;
  private final LockTrace trace;

  /** Whether the driver knows that no transaction is open; false where nobody can be asked. */
  private final BooleanSupplier idle;

  /** What is kept of a transaction that is not sampled. */
  private final List<LockStep> passed = new ArrayList<>();

  private volatile boolean inTransaction;
  private boolean sampled;
  private final HoldTime holdTime;
  private @Nullable Thread thread;
  private List<LockStep> lastSteps = List.of();
  private final StatementWait wait = new StatementWait();
  private long lastEndNanos;

  ObservedSession(LockWitness witness, DatabaseView database, ObservedSessions.Id id, String name) {
    this(witness, database, id, name, () -> false);
  }

  /** For those who do not see the ends of transactions. */
  ObservedSession(
      LockWitness witness,
      DatabaseView database,
      ObservedSessions.Id id,
      String name,
      BooleanSupplier idle) {
    this.witness = witness;
    this.idle = idle;
    this.database = database;
    this.id = id;
    this.trace = witness.newTrace(database, name);
    this.holdTime = new HoldTime(witness.holdLimit());
    ObservedSessions.add(this);
  }

  ObservedSessions.Id id() {
    return id;
  }

  /** Names without a schema may mean other tables from now on. */
  void movedNames() {
    witness.unseen("search_path");
  }

  /** The statement is about to be sent: what it wants is what it may soon wait for. */
  void starting(String sql) {
    try {
      Resolved resolved = database.statement(sql);
      synchronized (this) {
        wait.starts(resolved);
      }
    } catch (RuntimeException e) {
      failed(e);
    }
  }

  /** A witness that fails must not take the application with it. */
  private void failed(RuntimeException e) {
    LOG.warn("the lock witness failed, and has not seen all of a transaction", e);
  }

  /** The report of the deadlock that the execution failed with, if it did. */
  @Nullable DeadlockReport executed(Execution execution) {
    try {
      return follow(execution);
    } catch (RuntimeException e) {
      failed(e);
      return null;
    }
  }

  private @Nullable DeadlockReport follow(Execution execution) {
    Resolved resolved = database.statement(execution.sql());
    String state =
        execution.failure() == null ? "" : Failures.sqlState(execution.failure()).orElse("");
    boolean deadlock = state.equals(DEADLOCK);
    List<LockStep> before;
    LongHold hold;
    synchronized (this) {
      wait.ends();
      before = deadlock ? steps() : List.of();
      hold = apply(resolved, execution, deadlock || state.equals("55P03"));
    }
    // What follows asks other sessions, and calls the application.
    if (hold != null) {
      witness.heldTooLong(hold);
    }
    return deadlock && execution.failure() != null
        ? report(resolved, before, execution.failure(), execution.callSite().get())
        : null;
  }

  private DeadlockReport report(
      Resolved resolved, List<LockStep> before, Throwable failure, CallSite callSite) {
    DeadlockReport report =
        Forensics.report(
            id, resolved.firstWanted(callSite), before, failure, resolved, database.unobserved());
    witness.events().deadlock(report);
    return report;
  }

  /**
   * The report of a deadlock that COMMIT ran into: over what foreign keys that are checked there
   * want, or what triggers do there. Asked before {@link #end}.
   */
  @Nullable DeadlockReport failedToCommit(SQLException failure) {
    if (!DEADLOCK.equals(failure.getSQLState())) {
      return null;
    }
    try {
      List<LockStep> before;
      Resolved wanted;
      synchronized (this) {
        before = steps();
        wanted =
            Resolved.of(
                new Footprint(List.of(), Set.of(), LockWordsSql.AT_COMMIT),
                0,
                List.copyOf(trace.held().deferred()),
                List.of());
      }
      return report(wanted, before, failure, CallSite.here());
    } catch (RuntimeException e) {
      failed(e);
      return null;
    }
  }

  private @Nullable LongHold apply(Resolved resolved, Execution execution, boolean waited) {
    if (!inTransaction) {
      if (resolved.isIdle() && execution.endsTransaction()) {
        return null;
      }
      begin(execution.endsTransaction());
    }
    resolved.unknown().forEach(witness::unseen);
    if (!resolved.isIdle() && (execution.failure() == null || waited)) {
      learn(resolved, execution);
    }
    return execution.endsTransaction()
        ? ending(execution.failure() == null, execution.callSite())
        : null;
  }

  private void begin(boolean endsAtOnce) {
    inTransaction = true;
    sampled = witness.isSampled();
    witness.events().transaction(sampled);
    if (!endsAtOnce) {
      thread = Thread.currentThread();
      ObservedSessions.enter(this);
      witness.opened(this);
    }
  }

  private void learn(Resolved resolved, Execution execution) {
    boolean keeps = execution.failure() == null;
    if (keeps && touchedNothing(resolved, execution.updateCount())) {
      return;
    }
    if (sampled) {
      CallSite here = execution.callSite().get();
      int sets = Math.max(1, execution.values().sets());
      for (int set = 0; set < sets; set++) {
        trace.take(
            resolved.wanted(), resolved.footprint().masked(), execution.values(), set, keeps, here);
      }
      holdTime.holds(trace.held().hasRowLocks());
    } else if (keeps) {
      pass(resolved);
    }
  }

  /** An UPDATE or DELETE that found no row has locked none. */
  private static boolean touchedNothing(Resolved resolved, OptionalLong updateCount) {
    return updateCount.isPresent()
        && updateCount.getAsLong() == 0
        && resolved.footprint().pieces().size() == 1
        && resolved.footprint().pieces().get(0) instanceof Piece.Touch touch
        && (touch.verb() == Piece.Verb.UPDATE || touch.verb() == Piece.Verb.DELETE);
  }

  private void pass(Resolved resolved) {
    holdTime.holds(holdTime.isHolding() || resolved.locksRows());
    if (passed.size() < STEPS_KEPT) {
      passed.addAll(resolved.steps());
    }
    for (Wanted wanted : resolved.wanted()) {
      if (wanted instanceof Wanted.Other other && other.piece() instanceof Piece.Ddl) {
        database.schemaChanged();
      }
    }
  }

  synchronized void savepoint(SavepointEvent.Action action, String name) {
    switch (action) {
      case SET -> trace.held().savepoint(name);
      case RELEASED -> trace.held().release(name);
      case ROLLED_BACK_TO -> trace.held().rollbackTo(name);
    }
    if (sampled && !trace.held().hasRowLocks()) {
      holdTime.holds(false);
    }
  }

  /** The transaction has ended; without one nothing happens. */
  void end(boolean committed, Supplier<CallSite> callSite) {
    try {
      LongHold hold;
      synchronized (this) {
        hold = ending(committed, callSite);
      }
      if (hold != null) {
        witness.heldTooLong(hold);
      }
    } catch (RuntimeException e) {
      failed(e);
    }
  }

  /** Catches up on an end that was not seen. */
  void endIfIdle() {
    if (idle.getAsBoolean()) {
      end(false, CallSite::here);
    }
  }

  private @Nullable LongHold ending(boolean committed, Supplier<CallSite> callSite) {
    if (!inTransaction) {
      return null;
    }
    LongHold hold =
        holdTime.isTooLong()
            ? new LongHold(holdTime.soFar(), false, steps(), callSite.get(), List.of())
            : null;
    lastSteps = steps();
    lastEndNanos = System.nanoTime();
    if (sampled) {
      trace.end(committed, callSite);
    }
    passed.clear();
    inTransaction = false;
    holdTime.end();
    if (thread != null) {
      ObservedSessions.leave(this);
      witness.ended(this);
      thread = null;
    }
    return hold;
  }

  /** Called from outside while the transaction may be open. */
  void checkHoldTime() {
    endIfIdle();
    LongHold hold = null;
    synchronized (this) {
      Thread owner = thread;
      if (owner != null && holdTime.isTooLongForTheFirstTime()) {
        hold = new LongHold(holdTime.soFar(), true, steps(), null, List.of(owner.getStackTrace()));
      }
    }
    if (hold != null) {
      witness.heldTooLong(hold);
    }
  }

  synchronized boolean holdsRowLocks() {
    return inTransaction && holdTime.isHolding();
  }

  boolean isInTransaction() {
    return inTransaction;
  }

  synchronized List<LockStep> steps() {
    return sampled ? trace.held().steps() : List.copyOf(passed);
  }

  /** What it holds, or held until a moment ago; and what it asks for now, if that is known. */
  synchronized OtherSide asOtherSide(Duration moment) {
    List<LockStep> steps = steps();
    boolean justEnded = !inTransaction && System.nanoTime() - lastEndNanos < moment.toNanos();
    return new OtherSide(steps.isEmpty() && justEnded ? lastSteps : steps, wait.asksFor(moment));
  }

  record OtherSide(List<LockStep> held, @Nullable LockStep waitingFor) {}
}

package dev.pgbelay.lock.witness;

import dev.pgbelay.core.observe.BoundValues;
import dev.pgbelay.core.observe.CallSite;
import dev.pgbelay.lock.witness.LockFinding.Kind;
import dev.pgbelay.lock.witness.LockFinding.Path;
import dev.pgbelay.lock.witness.LockGraph.Order;
import dev.pgbelay.lock.witness.Piece.Value;
import dev.pgbelay.lock.witness.Wanted.InAdvisory;
import dev.pgbelay.lock.witness.Wanted.InTable;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.function.LongFunction;
import org.jspecify.annotations.Nullable;

/**
 * The locks that one transaction holds, as far as they were seen, and what their order says. Where
 * it is not known whether two statements mean the same row it is taken for the same, so that doubt
 * never makes a report. Not safe for several threads.
 */
final class LockTrace {
  private final LockGraph graph;
  private final DatabaseView database;
  private final LongFunction<String> advisoryClasses;
  private final FindingSink sink;
  private final HeldLocks held = new HeldLocks();
  private final List<InTable> deferred = new ArrayList<>();

  /** Where findings go. */
  interface FindingSink {
    void found(LockFinding finding);
  }

  LockTrace(
      LockGraph graph,
      DatabaseView database,
      LongFunction<String> advisoryClasses,
      FindingSink sink) {
    this.graph = graph;
    this.database = database;
    this.advisoryClasses = advisoryClasses;
    this.sink = sink;
  }

  HeldLocks held() {
    return held;
  }

  /** One execution with one set of values; {@code keeps} is false where it failed in the end. */
  void take(
      List<Wanted> wanted,
      String statement,
      BoundValues values,
      int set,
      boolean keeps,
      CallSite callSite) {
    for (Wanted each : wanted) {
      if (each instanceof InTable inTable) {
        if (inTable.deferred()) {
          deferred.add(inTable);
        } else {
          take(inTable, statement, values, set, keeps, callSite);
        }
      } else if (each instanceof InAdvisory advisory) {
        take(advisory, statement, values, set, keeps, callSite);
      } else if (each instanceof Wanted.Other other) {
        apply(other.piece(), values, set, callSite);
      }
    }
  }

  private void apply(Piece piece, BoundValues values, int set, CallSite callSite) {
    if (piece instanceof Piece.Savepoint savepoint) {
      switch (savepoint.step()) {
        case SET -> held.savepoint(savepoint.name());
        case RELEASE -> held.release(savepoint.name());
        case ROLLBACK_TO -> held.rollbackTo(savepoint.name());
      }
    } else if (piece instanceof Piece.Unlock unlock) {
      if (unlock.arguments().isEmpty()) {
        held.unlockSession(null, null);
      } else {
        AdvisoryKey key = advisoryKey(unlock.arguments(), values, set);
        held.unlockSession(key.lockClass(), key.key());
      }
    } else if (piece instanceof Piece.Ddl) {
      database.schemaChanged();
    } else if (piece instanceof Piece.End) {
      end(true, callSite);
    }
  }

  void end(boolean committed, CallSite callSite) {
    if (committed) {
      for (InTable wanted : deferred) {
        LockStep step = step(wanted, LockWordsSql.AT_COMMIT, callSite);
        acquire(wanted.lockClass(), wanted.strength(), true, false, null, null, true, step, false);
      }
    }
    deferred.clear();
    held.clear();
  }

  private static LockStep step(InTable wanted, String statement, CallSite callSite) {
    return new LockStep(
        wanted.lockClass().name(), wanted.strength().words(), wanted.cause(), statement, callSite);
  }

  private void take(
      InTable wanted,
      String statement,
      BoundValues values,
      int set,
      boolean keeps,
      CallSite callSite) {
    LockStep step = step(wanted, statement, callSite);
    String gate = gate(wanted);
    if (wanted.rows().isEmpty()) {
      acquire(
          wanted.lockClass(),
          wanted.strength(),
          wanted.waits(),
          wanted.ownRows(),
          null,
          gate,
          keeps,
          step,
          false);
      return;
    }
    for (List<Value> row : wanted.rows()) {
      List<@Nullable Object> raw = new ArrayList<>();
      boolean isNull = false;
      for (Value value : row) {
        Object given = given(value, values, set);
        isNull |= given == null && value.ordinal() > 0 && values.sets() > 0;
        raw.add(given);
      }
      if (!isNull) { // otherwise nothing equals it, and nothing is pointed to
        acquire(
            wanted.lockClass(),
            wanted.strength(),
            wanted.waits(),
            wanted.ownRows(),
            LockKey.of(wanted.keys(), raw),
            gate,
            keeps,
            step,
            false);
      }
    }
  }

  private static @Nullable Object given(Value value, BoundValues values, int set) {
    if (value.ordinal() == 0) {
      return value.literal();
    }
    return set < values.sets() ? values.get(set, value.ordinal()) : null;
  }

  /**
   * Names a lock that is the same in each execution and that one transaction at a time can hold.
   */
  private static @Nullable String gate(InTable wanted) {
    if (!wanted.waits() || !wanted.strength().excludesItself() || wanted.ownRows()) {
      return null;
    }
    if (wanted.strength().row() == null) {
      return "table " + wanted.lockClass();
    }
    return wanted.isConstant() && wanted.rows().size() == 1
        ? "row of " + wanted.lockClass() + " " + wanted.keys() + wanted.rows()
        : null;
  }

  private record AdvisoryKey(LockClass lockClass, @Nullable LockKey key) {}

  private AdvisoryKey advisoryKey(List<@Nullable Value> arguments, BoundValues values, int set) {
    List<@Nullable Object> given = new ArrayList<>();
    for (Value argument : arguments) {
      given.add(argument == null ? null : given(argument, values, set));
    }
    if (given.size() == 2) {
      Object space = given.get(0);
      LockClass lockClass =
          new LockClass("advisory " + (space == null ? "(?, …)" : "(" + space + ", …)"), true);
      return new AdvisoryKey(
          lockClass, LockKey.of(HeldLocks.ADVISORY_KEY, List.of(given).get(0).subList(1, 2)));
    }
    LockKey key = LockKey.of(HeldLocks.ADVISORY_KEY, given);
    String name = key == null ? "advisory" : advisoryClasses.apply((Long) key.values().get(0));
    return new AdvisoryKey(new LockClass(name, true), key);
  }

  private void take(
      InAdvisory wanted,
      String statement,
      BoundValues values,
      int set,
      boolean keeps,
      CallSite callSite) {
    AdvisoryKey key = advisoryKey(wanted.arguments(), values, set);
    LockStep step =
        new LockStep(key.lockClass().name(), wanted.strength().words(), "", statement, callSite);
    boolean constant =
        wanted.arguments().stream().allMatch(value -> value != null && value.ordinal() == 0);
    String gate =
        constant && wanted.waits() && wanted.strength().excludesItself()
            ? "advisory " + wanted.arguments()
            : null;
    acquire(
        key.lockClass(),
        wanted.strength(),
        wanted.waits(),
        false,
        key.key(),
        gate,
        keeps,
        step,
        wanted.ofSession());
  }

  private void acquire(
      LockClass lockClass,
      Strength strength,
      boolean waits,
      boolean ownRows,
      @Nullable LockKey key,
      @Nullable String gate,
      boolean keeps,
      LockStep step,
      boolean ofSession) {
    List<HeldLocks.Held> same = held.of(lockClass);
    boolean covered = isCovered(same, strength, ownRows, key);
    boolean mayWait = waits && !covered;
    if (mayWait && !ownRows) {
      checkUpgrade(same, strength, key, step);
      checkRowOrder(same, strength, key, step);
    }
    if (mayWait) {
      addOrders(lockClass, strength, step);
    }
    if (keeps && (ownRows || !covered)) {
      held.add(new HeldLocks.Held(lockClass, strength, ownRows, gate, step, ofSession), key);
    }
  }

  private static boolean isCovered(
      List<HeldLocks.Held> same, Strength strength, boolean ownRows, @Nullable LockKey key) {
    if (same.isEmpty()) {
      return false;
    }
    if (ownRows) {
      return true;
    }
    if (strength.row() == null) {
      return same.stream().anyMatch(each -> each.strength().table() == strength.table());
    }
    return same.stream()
        .filter(each -> each.coversRows(strength))
        .anyMatch(
            each ->
                key == null || each.hasUnknownRows() || each.holds(key) || !each.isComparable(key));
  }

  private void checkUpgrade(
      List<HeldLocks.Held> same, Strength strength, @Nullable LockKey key, LockStep step) {
    for (HeldLocks.Held each : same) {
      boolean sameRow = key != null && each.holds(key);
      boolean upgrade =
          sameRow
              ? each.strength().deadlocksOnUpgradeTo(strength)
              : each.strength().deadlocksOnTableUpgradeTo(strength);
      if (upgrade && !each.ownRows()) {
        sink.found(
            new LockFinding(
                Kind.UPGRADE,
                List.of(step.lockClass()),
                List.of(new Path(each.step(), step)),
                "Take the stronger lock first: two transactions that both got this far wait for each"
                    + " other"));
        return;
      }
    }
  }

  private void checkRowOrder(
      List<HeldLocks.Held> same, Strength strength, @Nullable LockKey key, LockStep step) {
    if (key == null
        || !strength.conflictsOnRows(strength)
        || same.stream().anyMatch(each -> each.holds(key))) {
      return;
    }
    boolean plain = KeyOrder.isPlain(key);
    for (int i = same.size() - 1; i >= 0; i--) {
      HeldLocks.Held each = same.get(i);
      LockKey highest = each.highest();
      if (highest != null && !each.ownRows() && each.strength().conflictsOnRows(each.strength())) {
        OptionalInt order = database.keyOrder().compare(key, highest);
        if (order.isPresent() && order.getAsInt() < 0) {
          sink.found(
              new LockFinding(
                  Kind.ROW_ORDER,
                  List.of(step.lockClass()),
                  List.of(new Path(each.step(), step)),
                  "Lock rows of one class in ascending order of their keys: sort them before the"
                      + " first statement, or lock them all in one with ORDER BY"));
          return;
        }
        if (!plain) {
          return; // each comparison costs a round trip: neighbours only
        }
      }
    }
  }

  private void addOrders(LockClass lockClass, Strength strength, LockStep step) {
    Set<Order> added = new HashSet<>();
    Set<String> gates = Set.of();
    for (HeldLocks.Held each : held.all()) {
      if (!each.lockClass().equals(lockClass)) {
        Order order = new Order(each.lockClass(), each.strength(), lockClass, strength, gates);
        if (added.add(order)) {
          Optional<LockFinding> finding = graph.add(order, () -> new Path(each.step(), step));
          finding.ifPresent(sink::found);
        }
      }
      if (each.gate() != null) {
        gates = new HashSet<>(gates);
        gates.add(each.gate());
      }
    }
  }
}

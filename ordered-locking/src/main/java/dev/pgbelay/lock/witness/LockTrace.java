package dev.pgbelay.lock.witness;

import dev.pgbelay.core.observe.BoundValues;
import dev.pgbelay.core.observe.CallSite;
import dev.pgbelay.lock.witness.InversionCheck.Request;
import dev.pgbelay.lock.witness.Piece.Value;
import dev.pgbelay.lock.witness.Wanted.InAdvisory;
import dev.pgbelay.lock.witness.Wanted.InTable;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.LongFunction;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Follows one transaction: which locks its statements ask for with the values that were bound,
 * which it gives back, and when. Not safe for several threads.
 */
final class LockTrace {
  private static final int MOST_TEMPORARY = 1_000;

  private final DatabaseView database;
  private final LongFunction<String> advisoryClasses;
  private final InversionCheck check;

  /** Names of the session's own tables, which may hide others. */
  private final Set<String> temporary = new HashSet<>();

  LockTrace(DatabaseView database, LongFunction<String> advisoryClasses, InversionCheck check) {
    this.database = database;
    this.advisoryClasses = advisoryClasses;
    this.check = check;
  }

  WatchedLocks held() {
    return check.held();
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
        if (temporary.contains(inTable.lockClass().name())) {
          continue;
        }
        if (inTable.deferred()) {
          held().defer(inTable);
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
        case SET -> held().savepoint(savepoint.name());
        case RELEASE -> held().release(savepoint.name());
        case ROLLBACK_TO -> held().rollbackTo(savepoint.name());
      }
    } else if (piece instanceof Piece.Unlock unlock) {
      if (unlock.arguments().isEmpty()) {
        held().unlockSession(null, null);
      } else {
        AdvisoryKey key = advisoryKey(unlock.arguments(), values, set);
        held().unlockSession(key.lockClass(), key.key());
      }
    } else if (piece instanceof Piece.TemporaryTable table) {
      if (temporary.size() < MOST_TEMPORARY) {
        temporary.add(table.name());
      }
    } else if (piece instanceof Piece.Ddl) {
      database.schemaChanged();
    } else if (piece instanceof Piece.End) {
      end(true, () -> callSite);
    }
  }

  void end(boolean committed, Supplier<CallSite> callSite) {
    if (committed) {
      for (InTable wanted : held().deferred()) {
        LockStep step = step(wanted, LockWordsSql.AT_COMMIT, callSite.get());
        check.acquire(
            new Request(
                wanted.lockClass(),
                wanted.strength(),
                true,
                false,
                null,
                null,
                null,
                true,
                step,
                false));
      }
    }
    temporary.clear(); // of those that live on, the names are known as nobody else's
    held().clear();
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
      check.acquire(request(wanted, null, gate, keeps, step));
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
        check.acquire(request(wanted, LockKey.of(wanted.keys(), raw), gate, keeps, step));
      }
    }
  }

  private static Request request(
      InTable wanted, @Nullable LockKey key, @Nullable String gate, boolean keeps, LockStep step) {
    return new Request(
        wanted.lockClass(),
        wanted.strength(),
        wanted.waits(),
        wanted.ownRows(),
        key,
        wanted.cascadeOf(),
        gate,
        keeps,
        step,
        false);
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
    return wanted.rows().size() == 1 && wanted.isConstant()
        ? "row of " + wanted.lockClass() + " " + wanted.keys() + wanted.rows()
        : null;
  }

  private record AdvisoryKey(WatchedClass lockClass, @Nullable LockKey key) {}

  private AdvisoryKey advisoryKey(List<@Nullable Value> arguments, BoundValues values, int set) {
    List<@Nullable Object> given = new ArrayList<>();
    for (Value argument : arguments) {
      given.add(argument == null ? null : given(argument, values, set));
    }
    if (given.size() == 2) {
      Object space = given.get(0);
      WatchedClass lockClass =
          new WatchedClass("advisory " + (space == null ? "(?, …)" : "(" + space + ", …)"), true);
      return new AdvisoryKey(
          lockClass, LockKey.of(WatchedLocks.ADVISORY_KEY, List.of(given).get(0).subList(1, 2)));
    }
    LockKey key = LockKey.of(WatchedLocks.ADVISORY_KEY, given);
    String name = key == null ? "advisory" : advisoryClasses.apply((Long) key.values().get(0));
    return new AdvisoryKey(new WatchedClass(name, true), key);
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
    check.acquire(
        new Request(
            key.lockClass(),
            wanted.strength(),
            wanted.waits(),
            false,
            key.key(),
            null,
            gate,
            keeps,
            step,
            wanted.ofSession()));
  }
}

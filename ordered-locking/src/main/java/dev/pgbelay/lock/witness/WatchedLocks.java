package dev.pgbelay.lock.witness;

import dev.pgbelay.lock.witness.TableInfo.KeyColumn;
import dev.pgbelay.lock.witness.Wanted.InTable;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Deque;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** What a transaction holds, in the order in which it was taken, and where its savepoints stand. */
final class WatchedLocks {
  static final List<KeyColumn> ADVISORY_KEY = List.of(new KeyColumn("key", "int8", "", ""));
  private static final int MAX_HELD = 500;
  private static final int MAX_KEYS = 5_000;

  private final List<Held> locks = new ArrayList<>();
  private final Deque<Mark> savepoints = new ArrayDeque<>();

  /** What foreign keys that are checked at COMMIT will want. */
  private final Set<InTable> deferred = new LinkedHashSet<>();

  private int keys;

  private record Mark(String name, int locks, int deferred) {}

  /** The locks that one statement took in one class. */
  static final class Held {
    private final WatchedClass lockClass;
    private final Strength strength;
    private final boolean ownRows;
    private final @Nullable WatchedClass cascadeOf;
    private final @Nullable String gate;
    private final LockStep step;
    private final boolean ofSession;
    private final Set<LockKey> keys = new HashSet<>();
    private boolean unknownRows;
    private @Nullable LockKey highest;

    Held(
        WatchedClass lockClass,
        Strength strength,
        boolean ownRows,
        @Nullable WatchedClass cascadeOf,
        @Nullable String gate,
        LockStep step,
        boolean ofSession) {
      this.lockClass = lockClass;
      this.strength = strength;
      this.ownRows = ownRows;
      this.cascadeOf = cascadeOf;
      this.gate = gate;
      this.step = step;
      this.ofSession = ofSession;
    }

    WatchedClass lockClass() {
      return lockClass;
    }

    Strength strength() {
      return strength;
    }

    boolean ownRows() {
      return ownRows;
    }

    @Nullable WatchedClass cascadeOf() {
      return cascadeOf;
    }

    @Nullable String gate() {
      return gate;
    }

    LockStep step() {
      return step;
    }

    @Nullable LockKey highest() {
      return highest;
    }

    boolean hasUnknownRows() {
      return unknownRows;
    }

    boolean holds(LockKey key) {
      return keys.contains(key);
    }

    /** Whether a key that is not among ours is known to be of another row. */
    boolean isComparable(LockKey key) {
      return !keys.isEmpty() && keys.stream().anyMatch(own -> own.isOfSameColumns(key));
    }

    /** Whether whoever has this needs nothing more to lock the same rows with {@code wanted}. */
    boolean coversRows(Strength wanted) {
      return ownRows || strength.coversRows(wanted);
    }

    private boolean isOfSameStatement(Held other) {
      return step.callSite() == other.step.callSite()
          && step.statement().equals(other.step.statement())
          && lockClass.equals(other.lockClass)
          && strength.equals(other.strength);
    }

    private void add(@Nullable LockKey key) {
      if (key == null) {
        unknownRows = strength.row() != null || ownRows;
      } else {
        keys.add(key);
        highest = highest == null || isHigher(key, highest) ? key : highest;
      }
    }

    private static boolean isHigher(LockKey key, LockKey highest) {
      return !LockKeyOrder.isPlain(key) || LockKeyOrder.PLAIN.compare(key, highest).orElse(1) > 0;
    }
  }

  void add(Held held, @Nullable LockKey key) {
    LockKey kept = keys < MAX_KEYS ? key : null;
    keys += kept == null ? 0 : 1;
    Held last = locks.isEmpty() ? null : lastLike(held);
    if (last != null) {
      last.add(kept);
    } else {
      held.add(kept);
      locks.add(held);
    }
  }

  /** A batch, or one statement with many rows, stays one entry; so does all beyond the limit. */
  private @Nullable Held lastLike(Held held) {
    int floor = savepoints.isEmpty() ? 0 : savepoints.getFirst().locks();
    for (int i = locks.size() - 1; i >= floor && i >= locks.size() - 4; i--) {
      if (locks.get(i).isOfSameStatement(held)) {
        return locks.get(i);
      }
    }
    if (locks.size() < MAX_HELD) {
      return null;
    }
    for (Held each : locks) {
      if (each.lockClass().equals(held.lockClass()) && each.strength().equals(held.strength())) {
        return each;
      }
    }
    return locks.get(locks.size() - 1);
  }

  Collection<Held> all() {
    return locks;
  }

  List<Held> of(WatchedClass lockClass) {
    List<Held> found = new ArrayList<>(2);
    for (Held each : locks) {
      if (each.lockClass().equals(lockClass)) {
        found.add(each);
      }
    }
    return found;
  }

  /** Whether only one transaction at a time can have come as far as this lock. */
  boolean isBehindGate(Held lock) {
    for (Held each : locks) {
      if (each == lock) {
        return false;
      }
      if (each.gate() != null) {
        return true;
      }
    }
    return false;
  }

  /** What others can wait for row by row; a row that was inserted counts too. */
  boolean hasRowLocks() {
    for (Held each : locks) {
      if (each.strength().row() != null || each.ownRows()) {
        return true;
      }
    }
    return false;
  }

  List<LockStep> steps() {
    List<LockStep> steps = new ArrayList<>(locks.size());
    for (Held each : locks) {
      steps.add(each.step());
    }
    return steps;
  }

  void defer(InTable wanted) {
    if (deferred.size() < MAX_HELD) {
      deferred.add(wanted);
    }
  }

  List<InTable> deferred() {
    return List.copyOf(deferred);
  }

  void savepoint(String name) {
    savepoints.push(new Mark(name, locks.size(), deferred.size()));
  }

  void release(String name) {
    if (savepoints.stream().anyMatch(mark -> mark.name().equals(name))) {
      while (!savepoints.pop().name().equals(name)) {
        // those set after it go with it
      }
    }
  }

  /** Gives back what was locked since; the savepoint itself stays. */
  void rollbackTo(String name) {
    if (savepoints.stream().anyMatch(mark -> mark.name().equals(name))) {
      while (!savepoints.getFirst().name().equals(name)) {
        savepoints.pop();
      }
      int floor = savepoints.getFirst().locks();
      int kept = savepoints.getFirst().deferred();
      if (kept < deferred.size()) {
        List<InTable> before = List.copyOf(deferred).subList(0, kept);
        deferred.retainAll(Set.copyOf(before));
      }
      if (floor < locks.size()) {
        locks.subList(floor, locks.size()).removeIf(each -> !each.ofSession);
      }
    }
  }

  /** All of the session's own where no class is named, all of a class where no key is known. */
  void unlockSession(@Nullable WatchedClass lockClass, @Nullable LockKey key) {
    locks.removeIf(
        each ->
            each.ofSession
                && (lockClass == null || each.lockClass().equals(lockClass))
                && (key == null || each.holds(key)));
  }

  void clear() {
    locks.removeIf(each -> !each.ofSession);
    savepoints.clear();
    deferred.clear();
    keys = 0;
  }
}

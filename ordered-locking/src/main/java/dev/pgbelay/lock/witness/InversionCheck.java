package dev.pgbelay.lock.witness;

import dev.pgbelay.lock.witness.LockFinding.Kind;
import dev.pgbelay.lock.witness.LockFinding.Path;
import dev.pgbelay.lock.witness.LockGraph.Order;
import dev.pgbelay.lock.witness.WatchedLocks.Held;
import java.util.HashSet;
import java.util.List;
import java.util.OptionalInt;
import java.util.Set;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * What the next lock of a transaction says about the order of its locks. Where it is not known
 * whether two statements mean the same row it is taken for the same, so that doubt never makes a
 * report. Not safe for several threads.
 */
final class InversionCheck {
  private final LockGraph graph;
  private final DatabaseView database;
  private final Consumer<LockFinding> sink;
  private final WatchedLocks held = new WatchedLocks();

  InversionCheck(LockGraph graph, DatabaseView database, Consumer<LockFinding> sink) {
    this.graph = graph;
    this.database = database;
    this.sink = sink;
  }

  WatchedLocks held() {
    return held;
  }

  /**
   * One lock that is asked for.
   *
   * @param waits whether it waits for rows; for the table it waits in any case, except under LOCK …
   *     NOWAIT
   * @param ownRows whether the rows are new, so that nobody else can hold them
   * @param key of the row; null where it is not known
   * @param cascadeOf the class whose rows these rows were written with; null for others
   * @param gate names a lock that is the same in each execution; null for others
   * @param keeps whether it was got
   */
  record Request(
      WatchedClass lockClass,
      Strength strength,
      boolean waits,
      boolean ownRows,
      @Nullable LockKey key,
      @Nullable WatchedClass cascadeOf,
      @Nullable String gate,
      boolean keeps,
      LockStep step,
      boolean ofSession) {}

  void acquire(Request request) {
    Strength strength = request.strength();
    List<Held> same = held.of(request.lockClass());
    boolean rows = request.ownRows() || strength.row() == null || coversRows(same, request);
    boolean table = strength.table() == null || coversTable(same, strength.table());
    Strength missing = new Strength(rows ? null : strength.row(), table ? null : strength.table());
    Strength waitsFor =
        request.waits()
            ? missing
            : new Strength(null, strength.row() == null ? null : missing.table());
    if (!waitsFor.isNothing()) {
      checkUpgrade(same, waitsFor, request);
      checkRowOrder(same, waitsFor, request);
      addOrders(request.lockClass(), waitsFor, request.step());
    }
    if (request.keeps() && (request.ownRows() || !missing.isNothing())) {
      boolean forTheTableAlone = rows && !request.ownRows() && strength.row() != null;
      held.add(
          new Held(
              request.lockClass(),
              forTheTableAlone ? missing : strength,
              request.ownRows(),
              request.cascadeOf(),
              forTheTableAlone ? null : request.gate(),
              request.step(),
              request.ofSession()),
          forTheTableAlone ? null : request.key());
    }
  }

  private static boolean coversTable(List<Held> same, TableMode wanted) {
    for (Held each : same) {
      TableMode mode = each.strength().table();
      if (mode != null && mode.covers(wanted)) {
        return true;
      }
    }
    return false;
  }

  private static boolean coversRows(List<Held> same, Request request) {
    LockKey key = request.key();
    for (Held each : same) {
      if (each.coversRows(request.strength())
          && (key == null || each.hasUnknownRows() || each.holds(key) || !each.isComparable(key))) {
        return true;
      }
    }
    return false;
  }

  private void checkUpgrade(List<Held> same, Strength wanted, Request request) {
    LockKey key = request.key();
    for (Held each : same) {
      boolean sameRow = key != null && each.holds(key);
      boolean upgrade =
          sameRow
              ? each.strength().deadlocksOnUpgradeTo(wanted)
              : each.strength().deadlocksOnTableUpgradeTo(wanted);
      if (upgrade && !each.ownRows() && !held.isBehindGate(each)) {
        tell(
            Kind.UPGRADE,
            each,
            request,
            "Take the stronger lock first: two transactions that both got this far wait for each"
                + " other");
        return;
      }
    }
  }

  private void checkRowOrder(List<Held> same, Strength wanted, Request request) {
    LockKey key = request.key();
    if (key == null
        || same.isEmpty()
        || !wanted.conflictsOnRows(wanted)
        || same.stream().anyMatch(each -> each.holds(key))) {
      return;
    }
    boolean plain = LockKeyOrder.isPlain(key);
    for (int i = same.size() - 1; i >= 0; i--) {
      Held each = same.get(i);
      LockKey highest = each.highest();
      if (highest != null
          && !each.ownRows()
          && each.strength().conflictsOnRows(each.strength())
          && !held.isBehindGate(each)) {
        OptionalInt order = database.keyOrder().compare(key, highest);
        if (order.isPresent() && order.getAsInt() < 0) {
          tell(
              Kind.ROW_ORDER,
              each,
              request,
              "Lock rows of one class in ascending order of their keys: sort them before the"
                  + " first statement, or lock them all in one with ORDER BY");
          return;
        }
        if (!plain) {
          return; // each comparison costs a round trip: neighbours only
        }
      }
    }
  }

  private void tell(Kind kind, Held before, Request request, String remedy) {
    sink.accept(
        new LockFinding(
            kind,
            List.of(request.lockClass().name()),
            List.of(new Path(before.step(), request.step())),
            remedy));
  }

  private void addOrders(WatchedClass lockClass, Strength wanted, LockStep step) {
    if (held.all().isEmpty()) {
      return;
    }
    Set<Order> added = new HashSet<>();
    Set<String> gates = Set.of();
    for (Held each : held.all()) {
      // Rows written with another row of the class belong to that one: nobody who wants it has
      // them.
      if (!each.lockClass().equals(lockClass) && !lockClass.equals(each.cascadeOf())) {
        Order order = new Order(each.lockClass(), each.strength(), lockClass, wanted);
        if (added.add(order)) {
          graph.add(order, gates, () -> new Path(each.step(), step)).ifPresent(sink);
        }
      }
      if (each.gate() != null) {
        gates = new HashSet<>(gates);
        gates.add(each.gate());
      }
    }
  }
}

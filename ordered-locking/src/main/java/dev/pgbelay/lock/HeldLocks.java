package dev.pgbelay.lock;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.WeakHashMap;
import org.jspecify.annotations.Nullable;
import org.postgresql.PGConnection;

/**
 * What one transaction has locked through a {@link LockOrder}, remembered here because the server
 * does not tell. Every acquire that locks something is an epoch, and the server keeps the number of
 * the last one in a setting that is local to the transaction: a rollback to a savepoint sets it
 * back together with the locks, whoever sent that rollback. Not safe for several threads, as a
 * transaction is not.
 */
final class HeldLocks {
  private static final Map<PGConnection, HeldLocks> BY_CONNECTION = new WeakHashMap<>();

  private record Held(
      LockClass lockClass, int rank, List<Object> values, LockMode mode, int epoch) {}

  /** How a request relates to what is held. */
  enum Relation {
    /** Not held, and behind everything that is. */
    AHEAD,
    /** Held strongly enough. */
    HELD,
    /** Held, but too weakly. */
    WEAKER,
    /** Not held, and something later in the order is. */
    DOWN,
    /** Not held, others of the class are, and whether these come before cannot be told. */
    NOT_KNOWN
  }

  private final String transaction;
  private final List<Held> held = new ArrayList<>();
  private final Map<LockClass, Map<List<Object>, Held>> byClass = new HashMap<>();
  private @Nullable LockOrder order;
  private int lastEpoch;

  private HeldLocks(String transaction) {
    this.transaction = transaction;
  }

  /** Of the transaction of that id, which is the one that is open on the connection. */
  static HeldLocks of(PGConnection connection, String transaction) {
    synchronized (BY_CONNECTION) {
      HeldLocks known = BY_CONNECTION.get(connection);
      if (known == null || !known.transaction.equals(transaction)) {
        known = new HeldLocks(transaction);
        BY_CONNECTION.put(connection, known);
      }
      return known;
    }
  }

  boolean isEmpty() {
    return held.isEmpty();
  }

  /** The order that the locks were taken by; empty while there are none. */
  Optional<LockOrder> order() {
    return held.isEmpty() ? Optional.empty() : Optional.ofNullable(order);
  }

  /** What the server's setting must be if nothing was rolled back; empty if nothing was locked. */
  String epoch() {
    return held.isEmpty() ? "" : Integer.toString(held.get(held.size() - 1).epoch());
  }

  /** Never used before in this transaction. */
  int nextEpoch() {
    return lastEpoch + 1;
  }

  void add(LockOrder by, int rank, LockMode mode, List<Resource> locked, int epoch) {
    order = by;
    lastEpoch = epoch;
    for (Resource each : locked) {
      Held lock = new Held(each.lockClass(), rank, each.values(), mode, epoch);
      held.add(lock);
      index(lock);
    }
  }

  private void index(Held lock) {
    byClass
        .computeIfAbsent(lock.lockClass(), each -> new HashMap<>())
        .merge(
            KeyText.canonical(lock.values()),
            lock,
            (before, now) -> before.mode().covers(now.mode()) ? before : now);
  }

  /**
   * Forgets what a rollback to a savepoint released.
   *
   * @param epoch what the server's setting is
   * @return whether it is one that is known here
   */
  boolean rolledBackTo(String epoch) {
    if (epoch.equals(epoch())) {
      return true;
    }
    boolean known =
        epoch.isEmpty() || held.stream().anyMatch(each -> epoch.equals("" + each.epoch()));
    if (known) {
      int last = epoch.isEmpty() ? 0 : Integer.parseInt(epoch);
      held.removeIf(each -> each.epoch() > last);
      byClass.clear();
      held.forEach(this::index);
    }
    return known;
  }

  Optional<LockMode> modeOf(Resource resource, @Nullable Comparator<List<Object>> comparator) {
    Map<List<Object>, Held> ofClass = byClass.get(resource.lockClass());
    if (ofClass == null) {
      return Optional.empty();
    }
    Held same = ofClass.get(KeyText.canonical(resource.values()));
    if (same == null && comparator != null) {
      same =
          ofClass.values().stream()
              .filter(each -> comparator.compare(each.values(), resource.values()) == 0)
              .findFirst()
              .orElse(null);
    }
    return Optional.ofNullable(same).map(Held::mode);
  }

  /**
   * @param comparator of the class's keys; null if Java cannot tell
   */
  Relation relation(
      Resource resource, int rank, LockMode mode, @Nullable Comparator<List<Object>> comparator) {
    Optional<LockMode> mine = modeOf(resource, comparator);
    if (mine.isPresent()) {
      return mine.get().covers(mode) ? Relation.HELD : Relation.WEAKER;
    }
    int highest = held.stream().mapToInt(Held::rank).max().orElse(Integer.MIN_VALUE);
    if (held.isEmpty() || rank > highest) {
      return Relation.AHEAD;
    }
    if (rank < highest) {
      return Relation.DOWN;
    }
    if (comparator == null) {
      return Relation.NOT_KNOWN;
    }
    boolean ahead =
        byClass.getOrDefault(resource.lockClass(), Map.of()).values().stream()
            .allMatch(each -> comparator.compare(each.values(), resource.values()) < 0);
    return ahead ? Relation.AHEAD : Relation.DOWN;
  }
}

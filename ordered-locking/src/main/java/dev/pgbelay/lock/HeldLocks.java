package dev.pgbelay.lock;

import dev.pgbelay.core.Tx;
import dev.pgbelay.core.internal.TransactionMemory;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeMap;
import java.util.WeakHashMap;
import java.util.concurrent.ThreadLocalRandom;
import org.jspecify.annotations.Nullable;
import org.postgresql.PGConnection;

/**
 * What one transaction has locked through a {@link LockOrder}, remembered here because the server
 * does not tell. Every statement that locks is an epoch, and the server keeps the number of the
 * last one in a setting that is local to the transaction: a rollback to a savepoint sets it back
 * together with the locks, whoever sent that rollback. Not safe for several threads, as a
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

  /** The held locks of one class, each key in its strongest mode. */
  private static final class OfClass {
    private final Optional<Comparator<List<Object>>> comparator;
    private final Map<List<Object>, LockMode> modes;

    private OfClass(Optional<Comparator<List<Object>>> comparator) {
      this.comparator = comparator;
      this.modes =
          comparator.<Map<List<Object>, LockMode>>map(TreeMap::new).orElseGet(HashMap::new);
    }

    boolean isEmpty() {
      return modes.isEmpty();
    }

    void clear() {
      modes.clear();
    }

    private List<Object> keyOf(List<Object> values) {
      return comparator.isPresent() ? values : KeyText.canonical(values);
    }

    void add(List<Object> values, LockMode mode) {
      modes.merge(keyOf(values), mode, (before, now) -> before.covers(now) ? before : now);
    }

    @Nullable LockMode modeOf(List<Object> values) {
      return modes.get(keyOf(values));
    }

    /** Of a key that is not held. */
    Relation relation(List<Object> values) {
      if (!(modes instanceof TreeMap<List<Object>, LockMode> sorted)) {
        return Relation.NOT_KNOWN;
      }
      return comparator.orElseThrow().compare(sorted.lastKey(), values) < 0
          ? Relation.AHEAD
          : Relation.DOWN;
    }
  }

  private final String transaction;

  /** Numbers of two memories never meet: one that does not know of a lock must not pass for one. */
  private final String tag = Long.toHexString(ThreadLocalRandom.current().nextLong()) + ".";

  private final List<Held> held = new ArrayList<>();
  private final List<Integer> epochs = new ArrayList<>();
  private final Map<LockClass, OfClass> byClass = new HashMap<>();
  private @Nullable LockOrder order;
  private int highestRank = Integer.MIN_VALUE;
  private int lastEpoch;

  /** Of the first statement of which nobody knows what it has locked; 0 if there is none. */
  private int unknownEpoch;

  HeldLocks(String transaction) {
    this.transaction = transaction;
  }

  /** Of the transaction that is open on the connection. */
  static HeldLocks of(PGConnection connection, Tx tx) {
    TransactionMemory memory = TransactionMemory.of(tx.dsl().configuration());
    return memory == null
        ? ofForeign(connection, tx.id())
        : memory.remembered(HeldLocks.class, () -> new HeldLocks(""));
  }

  /** Somebody else opened it: its keys are kept until the connection's next one locks something. */
  private static HeldLocks ofForeign(PGConnection connection, String transaction) {
    synchronized (BY_CONNECTION) {
      HeldLocks known = BY_CONNECTION.get(connection);
      if (known == null || !known.transaction.equals(transaction)) {
        known = new HeldLocks(transaction);
        BY_CONNECTION.put(connection, known);
      }
      return known;
    }
  }

  /** Whether keys of a transaction on that connection would outlast it. */
  static boolean remembers(PGConnection connection) {
    synchronized (BY_CONNECTION) {
      return BY_CONNECTION.containsKey(connection);
    }
  }

  boolean isEmpty() {
    return held.isEmpty() && unknownEpoch == 0;
  }

  /** Whether something may be locked that is not known here. */
  boolean hasUnknown() {
    return unknownEpoch != 0;
  }

  /** The order that the locks were taken by; empty while there are none. */
  Optional<LockOrder> order() {
    return held.isEmpty() ? Optional.empty() : Optional.ofNullable(order);
  }

  /** What the server's setting must be if nothing was rolled back; empty before the first. */
  String epoch() {
    return epochs.isEmpty() ? "" : text(epochs.get(epochs.size() - 1));
  }

  /** A number that was never given before: what was sent counts, whether or not it is answered. */
  int nextEpoch() {
    return ++lastEpoch;
  }

  /** As the server keeps it. */
  String text(int epoch) {
    return tag + epoch;
  }

  /** Remembers a statement that has locked, while what it has locked could not be read. */
  void addUnknown(int epoch) {
    epochs.add(epoch);
    if (unknownEpoch == 0) {
      unknownEpoch = epoch;
    }
  }

  /**
   * Remembers what a statement has locked, which can be nothing.
   *
   * @param by the order that has the class at this rank
   * @param comparator how the keys of the class are ordered; empty where Java cannot tell
   */
  void add(
      LockOrder by,
      int rank,
      LockClass lockClass,
      Optional<Comparator<List<Object>>> comparator,
      List<Resource> locked,
      int epoch) {
    epochs.add(epoch);
    if (locked.isEmpty()) {
      return;
    }
    order = by;
    highestRank = Math.max(highestRank, rank);
    OfClass same = byClass.computeIfAbsent(lockClass, each -> new OfClass(comparator));
    for (Resource each : locked) {
      held.add(new Held(lockClass, rank, each.values(), lockClass.mode(), epoch));
      same.add(each.values(), lockClass.mode());
    }
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
    int last = epoch.isEmpty() ? 0 : numberOf(epoch);
    if (last != 0 && !epochs.contains(last)) {
      return false;
    }
    epochs.removeIf(each -> each > last);
    held.removeIf(each -> each.epoch() > last);
    if (unknownEpoch > last) {
      unknownEpoch = 0;
    }
    highestRank = Integer.MIN_VALUE;
    byClass.values().forEach(OfClass::clear);
    for (Held each : held) {
      highestRank = Math.max(highestRank, each.rank());
      Objects.requireNonNull(byClass.get(each.lockClass())).add(each.values(), each.mode());
    }
    return true;
  }

  /** Negative for what is no epoch: anybody may write to a setting. */
  private int numberOf(String epoch) {
    if (!epoch.startsWith(tag)) {
      return -1;
    }
    try {
      return Integer.parseInt(epoch.substring(tag.length()));
    } catch (NumberFormatException e) {
      return -1;
    }
  }

  Relation relation(Resource resource, int rank, LockMode mode) {
    OfClass same = byClass.get(resource.lockClass());
    LockMode mine = same == null ? null : same.modeOf(resource.values());
    if (mine != null) {
      return mine.covers(mode) ? Relation.HELD : Relation.WEAKER;
    }
    if (rank != highestRank || same == null || same.isEmpty()) {
      return rank > highestRank ? Relation.AHEAD : Relation.DOWN;
    }
    return same.relation(resource.values());
  }
}

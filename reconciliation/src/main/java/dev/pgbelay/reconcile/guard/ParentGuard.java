package dev.pgbelay.reconcile.guard;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.TransactionException;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.internal.OptionRange;
import dev.pgbelay.reconcile.Reference;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Asks whether the parents of new children are there, before the children are written, in their
 * transaction. A key with a NULL refers to nothing and is not asked for.
 *
 * <p><b>What each mode lets through.</b> {@link #locked}: nothing; the parents stay until this
 * transaction ends, and what wants to delete them waits, as under a foreign key. {@link #exists}: a
 * child whose parent is deleted between the question and the child's commit. {@link #cached}: that,
 * and a child whose parent was deleted within the time that an entry lives. What gets through is an
 * orphan that the checker finds.
 *
 * <p>At most one statement for all keys of a call that are not cached, and one more in the guard's
 * life for the types. Never commits. Thread-safe.
 */
public final class ParentGuard {
  private static final int MOST_KEYS = 10_000;

  private final Reference reference;
  private final GuardSql sql;
  private final Optional<Cache<List<Object>, Boolean>> known;
  private volatile @Nullable List<String> types;

  private ParentGuard(
      Reference reference, boolean locking, Optional<Cache<List<Object>, Boolean>> known) {
    this.reference = reference;
    this.sql = new GuardSql(reference, locking);
    this.known = known;
  }

  /** Asks the database each time. */
  public static ParentGuard exists(Reference reference) {
    return new ParentGuard(reference, false, Optional.empty());
  }

  /** Asks the database each time, and locks the parents against deletion until the commit. */
  public static ParentGuard locked(Reference reference) {
    return new ParentGuard(reference, true, Optional.empty());
  }

  /**
   * Remembers parents that were there, once the transaction that saw them has committed. That a
   * parent is missing is never remembered.
   *
   * @param keep how long: 1 ms to 1 day
   * @param most how many: 1 to 100,000,000
   */
  public static ParentGuard cached(Reference reference, Duration keep, long most) {
    OptionRange.require("keep", keep, Duration.ofMillis(1), Duration.ofDays(1));
    OptionRange.require("most", most, 1L, 100_000_000L);
    return new ParentGuard(
        reference,
        false,
        Optional.of(Caffeine.newBuilder().expireAfterWrite(keep).maximumSize(most).build()));
  }

  /**
   * Passes if there is a parent with this key.
   *
   * @param key the values of the columns, in the order of the declaration
   * @throws MissingParentsException if there is none
   */
  public void check(Tx tx, @Nullable Object... key) {
    checkAll(tx, List.of(Arrays.asList(key)));
  }

  /**
   * Passes if there is a parent for each key.
   *
   * @param keys at most 10,000; each has the values of the columns, whose {@code toString}
   *     PostgreSQL can read: numbers, texts, UUIDs, dates and times
   * @throws MissingParentsException naming all that are missing
   * @throws PgBelayException if a key has another number of columns, or there are too many
   */
  public void checkAll(Tx tx, List<? extends List<? extends @Nullable Object>> keys) {
    OptionRange.require("keys", keys.size(), 0, MOST_KEYS);
    Set<List<Object>> asked = new LinkedHashSet<>();
    for (List<? extends @Nullable Object> key : keys) {
      List<Object> whole = whole(key);
      if (!whole.isEmpty() && (known.isEmpty() || known.get().getIfPresent(whole) == null)) {
        asked.add(whole);
      }
    }
    if (asked.isEmpty()) {
      return;
    }
    List<List<Object>> distinct = List.copyOf(asked);
    List<List<Object>> missing = sql.missing(tx.dsl(), types(tx), distinct);
    if (!missing.isEmpty()) {
      throw new MissingParentsException(reference, missing);
    }
    known.ifPresent(cache -> remember(tx, cache, distinct));
  }

  /** Forgets parents that were deleted, so that they are asked for again. Does nothing uncached. */
  public void forget(List<? extends List<?>> keys) {
    known.ifPresent(cache -> keys.forEach(key -> cache.invalidate(new ArrayList<Object>(key))));
  }

  /** Empty if it refers to nothing. */
  private List<Object> whole(List<? extends @Nullable Object> key) {
    if (key.size() != reference.parentColumns().size()) {
      throw new PgBelayException(
          "reference '%s': a key has the columns %s, %d values were given"
              .formatted(
                  reference.name(),
                  reference.parentColumns().stream().map(column -> column.getName()).toList(),
                  key.size()));
    }
    List<Object> whole = new ArrayList<>();
    for (Object value : key) {
      if (value == null) {
        return List.of();
      }
      if (value.getClass().isArray()) {
        throw new PgBelayException(
            "reference '%s': a key with an array cannot be guarded".formatted(reference.name()));
      }
      whole.add(value);
    }
    return whole;
  }

  private List<String> types(Tx tx) {
    List<String> found = types;
    if (found == null) {
      found = sql.types(tx.dsl());
      types = found;
    }
    return found;
  }

  /** A parent that this very transaction inserted may yet be rolled back. */
  private static void remember(Tx tx, Cache<List<Object>, Boolean> cache, List<List<Object>> keys) {
    try {
      tx.afterCommit(commit -> keys.forEach(key -> cache.put(key, true)));
    } catch (TransactionException e) {
      // A joined transaction whose owner tells nobody of its commit: nothing is remembered.
      return;
    }
  }
}

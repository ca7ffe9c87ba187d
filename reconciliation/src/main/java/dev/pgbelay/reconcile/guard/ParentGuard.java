package dev.pgbelay.reconcile.guard;

import com.github.benmanes.caffeine.cache.Cache;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.internal.OptionRange;
import dev.pgbelay.reconcile.Reference;
import io.micrometer.core.instrument.MeterRegistry;
import java.math.BigDecimal;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.jooq.EnumType;
import org.jspecify.annotations.Nullable;

/**
 * Asks whether the parents of new children are there, before the children are written, in their
 * transaction. A key with a NULL refers to nothing and is not asked for.
 *
 * <p><b>What each mode lets through.</b> {@link #locked}: nothing; the parents stay until this
 * transaction ends, and what wants to delete them waits, as under a foreign key. {@link #exists}: a
 * child whose parent is deleted between the question and the child's commit. {@link #cached}: that,
 * and a child whose parent was deleted within the time that an entry lives; where {@link
 * DeletedParents} tells this guard, within the time until it does. What gets through is an orphan
 * that the checker finds.
 *
 * <p>At most one statement for each call, for all its keys that are not known, each of them a
 * look-up by the index of the parent's columns; and one more for their types, once in the guard's
 * life, and again after a question that failed. It is sent by JDBC on the caller's connection:
 * jOOQ's execute listeners do not see it. Threads that ask a cached guard for the same key at the
 * same time share one statement, unless only the transaction that sends it may see the parent; they
 * wait for its answer, for a second at most. Under REPEATABLE READ and above nothing is remembered.
 * Never commits. Thread-safe.
 */
public final class ParentGuard {
  private static final int MOST_KEYS = 10_000;
  private static final Duration PATIENCE = Duration.ofSeconds(1);

  private final Reference reference;
  private final ParentLookup lookup;
  private final boolean locking;
  private final Optional<ParentCache> known;
  private volatile @Nullable GuardMeters meters;

  private ParentGuard(Reference reference, boolean locking, Optional<ParentCache> known) {
    this.reference = reference;
    this.lookup = new ParentLookup(reference);
    this.locking = locking;
    this.known = known;
  }

  /** Asks the database each time; needs SELECT on the parent. */
  public static ParentGuard exists(Reference reference) {
    return new ParentGuard(reference, false, Optional.empty());
  }

  /** Asks the database each time, and locks the parents against deletion until the commit. */
  public static ParentGuard locked(Reference reference) {
    return new ParentGuard(reference, true, Optional.empty());
  }

  /**
   * Remembers parents that were there and that everybody sees: not those that the asking
   * transaction may have written itself, such as ones younger than it. That a parent is missing is
   * not remembered. Keys are known again by their {@code toString}, and remembered if PostgreSQL
   * writes them so: numbers without needless digits, texts, UUIDs, dates. Others are asked for each
   * time.
   *
   * @param keep how long: 1 ms to 1 day
   * @param most how many: 1 to 100,000,000
   */
  public static ParentGuard cached(Reference reference, Duration keep, long most) {
    return cached(reference, keep, most, PATIENCE);
  }

  /**
   * Like {@link #cached(Reference, Duration, long)}, and remembers parents that were missing, so
   * that those who ask for the same one again and again cost nothing. <b>A parent that is inserted
   * meanwhile is refused until its entry ends or {@link #forget} is called</b>, also in the very
   * transaction that inserts it.
   *
   * @param keepMissing how long: 1 ms to 1 minute
   * @param mostMissing how many: 1 to 100,000,000
   */
  public static ParentGuard cached(
      Reference reference, Duration keep, long most, Duration keepMissing, long mostMissing) {
    Cache<List<String>, Long> missing =
        ParentCache.cache(
            "keepMissing", keepMissing, "mostMissing", mostMissing, Duration.ofMinutes(1));
    return new ParentGuard(
        reference, false, Optional.of(new ParentCache(keep, most, Optional.of(missing), PATIENCE)));
  }

  static ParentGuard cached(Reference reference, Duration keep, long most, Duration patience) {
    return new ParentGuard(
        reference, false, Optional.of(new ParentCache(keep, most, Optional.empty(), patience)));
  }

  /**
   * Counts what this guard is asked from now on.
   *
   * @return this guard
   */
  public ParentGuard meterRegistry(MeterRegistry registry) {
    String mode = locking ? "locked" : known.isPresent() ? "cached" : "exists";
    GuardMeters counting = new GuardMeters(registry, reference.name(), mode);
    meters = counting;
    lookup.count(counting);
    return this;
  }

  /** What it guards. */
  public Reference reference() {
    return reference;
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
   * @throws PgBelayException if a key has another number of columns or holds an array, there are
   *     too many, or the parent's table or columns are not there
   * @throws org.jooq.exception.DataAccessException naming the reference, if the database refuses
   *     the question, as where a value is none of the column's type; the transaction can then only
   *     be rolled back
   */
  public void checkAll(Tx tx, List<? extends List<? extends @Nullable Object>> keys) {
    OptionRange.require("keys", keys.size(), 0, MOST_KEYS);
    Map<List<String>, List<Object>> asked = new LinkedHashMap<>(keys.size() * 2);
    for (List<? extends @Nullable Object> key : keys) {
      List<Object> whole = whole(key);
      if (!whole.isEmpty()) {
        asked.put(texts(whole), whole);
      }
    }
    List<List<String>> missing =
        asked.isEmpty() ? List.of() : missing(tx, List.copyOf(asked.keySet()));
    GuardMeters counting = meters;
    if (counting != null) {
      counting.checked(asked.size(), missing.size());
    }
    if (!missing.isEmpty()) {
      throw new MissingParentsException(
          reference, missing.stream().map(key -> Objects.requireNonNull(asked.get(key))).toList());
    }
    CheckedParents.remember(tx, reference, asked.keySet());
  }

  private List<List<String>> missing(Tx tx, List<List<String>> keys) {
    if (locking) {
      return lookup.lock(tx, keys);
    }
    return known.isPresent()
        ? new GuardQuestion(known.get(), asked -> lookup.look(tx, asked)).missing(keys)
        : lookup.missing(tx, keys);
  }

  /**
   * Forgets what is known of these parents, so that they are asked for again; call it after the
   * commit that deletes or inserts them. Some others are forgotten as well. Does nothing uncached.
   */
  public void forget(List<? extends List<?>> keys) {
    for (List<?> key : keys) {
      forgetGroup(ParentCache.group(texts(key)));
    }
  }

  void forgetGroup(int group) {
    known.ifPresent(cache -> cache.forget(group));
  }

  /** What a key is known by. */
  static List<String> texts(List<?> key) {
    String[] texts = new String[key.size()]; // no stream: this is most of what a known key costs
    for (int k = 0; k < texts.length; k++) {
      texts[k] = text(key.get(k));
    }
    return List.of(texts);
  }

  private static String text(@Nullable Object value) {
    if (value instanceof EnumType literal) {
      return literal.getLiteral();
    }
    return value instanceof BigDecimal number ? number.toPlainString() : String.valueOf(value);
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
    List<Object> whole = new ArrayList<>(key.size());
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
}

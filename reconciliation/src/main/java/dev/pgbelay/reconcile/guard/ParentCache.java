package dev.pgbelay.reconcile.guard;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import dev.pgbelay.core.internal.OptionRange;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLongArray;
import org.jspecify.annotations.Nullable;

/**
 * What is known of parents, by the texts of their keys. An entry counts only while nobody has told
 * of a parent of its group since before the question that it comes from: whoever asks takes the
 * group's number first, so an answer that is older than the news is never believed, however late it
 * is kept. Thread-safe.
 */
final class ParentCache {
  static final int GROUPS = 1_024;
  static final int ALL = -1;

  private final Cache<List<String>, Long> there;
  private final Optional<Cache<List<String>, Long>> missing;
  private final AtomicLongArray news = new AtomicLongArray(GROUPS);
  private final ConcurrentMap<List<String>, CountDownLatch> asked = new ConcurrentHashMap<>();

  private final Duration patience;

  /**
   * @param patience for the answer to another thread's statement, which may wait for a lock of this
   *     one's transaction: nobody but these two could know
   */
  ParentCache(
      Duration keep, long most, Optional<Cache<List<String>, Long>> missing, Duration patience) {
    this.patience = patience;
    this.there = cache("keep", keep, "most", most, Duration.ofDays(1));
    this.missing = missing;
  }

  static Cache<List<String>, Long> cache(
      String keepOption, Duration keep, String mostOption, long most, Duration longest) {
    OptionRange.require(keepOption, keep, Duration.ofMillis(1), longest);
    OptionRange.require(mostOption, most, 1L, 100_000_000L);
    return Caffeine.newBuilder().expireAfterWrite(keep).maximumSize(most).build();
  }

  /** The same in every process. */
  static int group(List<String> key) {
    int hash = key.hashCode();
    return Math.floorMod(hash ^ (hash >>> 16), GROUPS);
  }

  Duration patience() {
    return patience;
  }

  long stamp(List<String> key) {
    return news.get(group(key));
  }

  /** True: it is there; false: it is not; null: nobody knows. */
  @Nullable Boolean find(List<String> key) {
    Long since = there.getIfPresent(key);
    if (since != null && since == stamp(key)) {
      return true;
    }
    if (missing.isPresent()) {
      Long gone = missing.get().getIfPresent(key);
      if (gone != null && gone == stamp(key)) {
        return false;
      }
    }
    return null;
  }

  /**
   * Remembers.
   *
   * @param stamp of before the question
   */
  void keep(List<String> key, boolean isThere, long stamp) {
    if (isThere) {
      there.put(key, stamp);
      missing.ifPresent(cache -> cache.invalidate(key));
    } else {
      missing.ifPresent(cache -> cache.put(key, stamp));
    }
  }

  void forget(int group) {
    if (group == ALL) {
      for (int k = 0; k < GROUPS; k++) {
        news.incrementAndGet(k);
      }
    } else {
      news.incrementAndGet(group);
    }
  }

  /** Opens when another thread has its answer for this key; null if nobody is asking. */
  @Nullable CountDownLatch askedBefore(List<String> key) {
    return asked.get(key);
  }

  /** Whether this caller is to ask now, and to call {@link #answered} then in any case. */
  boolean asks(List<String> key, CountDownLatch answer) {
    return asked.putIfAbsent(key, answer) == null;
  }

  /** Ends a question. */
  void answered(List<String> key, CountDownLatch answer) {
    asked.remove(key, answer);
    answer.countDown();
  }
}

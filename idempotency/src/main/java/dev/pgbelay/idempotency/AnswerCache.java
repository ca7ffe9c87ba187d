package dev.pgbelay.idempotency;

import com.github.benmanes.caffeine.cache.Cache;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * Committed answers of this process. They never change, so nothing has to be invalidated; they only
 * end. Safe for several threads.
 */
final class AnswerCache {
  /**
   * An answer, until when it may be used.
   *
   * @param until by {@link System#nanoTime}
   */
  record Entry(Stored stored, long until) {}

  private static final int OVERHEAD = 200;

  private final @Nullable Cache<IdempotencyKey, Entry> cache;
  private final Duration longest;

  AnswerCache(@Nullable Cache<IdempotencyKey, Entry> cache, Duration longest) {
    this.cache = cache;
    this.longest = longest;
  }

  static int weight(IdempotencyKey key, Entry entry) {
    return OVERHEAD + key.tenant().length() + key.key().length() + entry.stored().response().length;
  }

  @Nullable Stored find(IdempotencyKey key) {
    if (cache == null) {
      return null;
    }
    Entry entry = cache.getIfPresent(key);
    return entry == null || System.nanoTime() - entry.until() >= 0 ? null : entry.stored();
  }

  /** Only what is committed may come here. */
  void keep(IdempotencyKey key, Stored stored) {
    if (cache == null || stored.hasExpired()) {
      return;
    }
    Duration lasts = stored.left().compareTo(longest) < 0 ? stored.left() : longest;
    cache.put(key, new Entry(stored, System.nanoTime() + lasts.toNanos()));
  }
}

package dev.pgbelay.idempotency.internal;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import dev.pgbelay.core.internal.OptionRange;
import dev.pgbelay.idempotency.IdempotencyKey;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * Committed answers of this process. They never change, so nothing has to be invalidated; they only
 * end. Bytes are copied on the way in and out: a codec may hand out and keep arrays that somebody
 * writes to. Safe for several threads.
 */
public final class AnswerCache {
  /**
   * An answer, until when it may be used.
   *
   * @param until by {@link System#nanoTime}
   */
  private record Entry(Stored stored, long until) {}

  private static final int OVERHEAD = 200;

  private final @Nullable Cache<IdempotencyKey, Entry> cache;
  private final Duration longest;

  private AnswerCache(@Nullable Cache<IdempotencyKey, Entry> cache, Duration longest) {
    this.cache = cache;
    this.longest = longest;
  }

  /** Keeps nothing. */
  public static AnswerCache none() {
    return new AnswerCache(null, Duration.ZERO);
  }

  /**
   * Keeps what fits.
   *
   * @param bytes of keys and responses together, 1,000 to 2^40
   * @param atMost how long one is kept, 1 s to 24 h
   * @throws dev.pgbelay.core.PgBelayException naming the option, its value and its range
   */
  public static AnswerCache of(long bytes, Duration atMost) {
    OptionRange.require("bytes", bytes, 1_000L, 1L << 40);
    OptionRange.require("atMost", atMost, Duration.ofSeconds(1), Duration.ofHours(24));
    return new AnswerCache(
        Caffeine.newBuilder()
            .maximumWeight(bytes)
            .weigher(AnswerCache::weight)
            .expireAfterWrite(atMost)
            .build(),
        atMost);
  }

  private static int weight(IdempotencyKey key, Entry entry) {
    return OVERHEAD + key.tenant().length() + key.key().length() + entry.stored().response().length;
  }

  public @Nullable Stored find(IdempotencyKey key) {
    if (cache == null) {
      return null;
    }
    Entry entry = cache.getIfPresent(key);
    return entry == null || System.nanoTime() - entry.until() >= 0 ? null : copy(entry.stored());
  }

  /** Only what is committed may come here. */
  public void keep(IdempotencyKey key, Stored stored) {
    if (cache == null || stored.hasExpired()) {
      return;
    }
    Duration lasts = stored.left().compareTo(longest) < 0 ? stored.left() : longest;
    cache.put(key, new Entry(copy(stored), System.nanoTime() + lasts.toNanos()));
  }

  private static Stored copy(Stored stored) {
    return new Stored(stored.fingerprint(), stored.response().clone(), stored.left());
  }
}

package dev.pgbelay.batch;

import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jooq.DSLContext;

/**
 * Remembers, for one request, what a {@link KeyedLoader} has found and what it has not: a key is
 * asked of the database once. Never forgets by itself, so it must not outlive the request; a value
 * stays as first seen, even if somebody changes the row meanwhile. After a write of one's own, call
 * {@link #forget}.
 *
 * <p>Not safe for several threads.
 *
 * @param <K> what the caller asks by
 * @param <T> what a row becomes
 */
public final class RequestCache<K, T> {
  private final KeyedLoader<K, T> loader;
  private final Map<K, Optional<T>> known = new HashMap<>();

  RequestCache(KeyedLoader<K, T> loader) {
    this.loader = loader;
  }

  /** {@link KeyedLoader#load} for the keys that were not asked for before, if there are any. */
  public Loaded<K, T> load(DSLContext dsl, Collection<? extends K> keys) {
    LinkedHashSet<K> unknown = new LinkedHashSet<>(keys);
    unknown.removeIf(known::containsKey);
    if (!unknown.isEmpty()) {
      Loaded<K, T> loaded = loader.load(dsl, unknown);
      for (K key : unknown) {
        known.put(key, loaded.find(key));
      }
    }
    Map<K, Optional<T>> answers = new LinkedHashMap<>();
    for (K key : keys) {
      answers.put(key, known.getOrDefault(key, Optional.empty()));
    }
    return new Loaded<>(new ArrayList<>(keys), answers);
  }

  /** The next {@link #load} asks the database for {@code key} again. */
  public void forget(K key) {
    known.remove(key);
  }

  /** The keys that are remembered, those without a row included. */
  public List<K> known() {
    return Collections.unmodifiableList(new ArrayList<>(known.keySet()));
  }
}

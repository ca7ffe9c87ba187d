package dev.pgbelay.batch;

import dev.pgbelay.core.PgBelayException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * What one {@link KeyedLoader#load} found and what it did not. Keeps the order of the request;
 * every requested key is either in {@link #found()} or in {@link #missing()}. Immutable, as far as
 * keys and values are.
 *
 * @param <K> what the caller asks by
 * @param <T> what a row becomes
 */
public final class Loaded<K, T> {
  private final List<K> requested;
  private final Map<K, Optional<T>> answers;

  /**
   * @param requested as the caller asked, duplicates included
   * @param answers one for each different key, in the order of the request
   */
  Loaded(List<K> requested, Map<K, Optional<T>> answers) {
    this.requested = requested;
    this.answers = answers;
  }

  /** Key → value, in the order in which the keys were first asked for. */
  public Map<K, T> found() {
    Map<K, T> found = new LinkedHashMap<>();
    answers.forEach((key, answer) -> answer.ifPresent(value -> found.put(key, value)));
    return Collections.unmodifiableMap(found);
  }

  /** The keys without a row, each once, in the order in which they were first asked for. */
  public List<K> missing() {
    List<K> missing = new ArrayList<>();
    answers.forEach(
        (key, answer) -> {
          if (answer.isEmpty()) {
            missing.add(key);
          }
        });
    return Collections.unmodifiableList(missing);
  }

  /** One answer for each requested key, duplicates included, in the order of the request. */
  public List<Optional<T>> inOrder() {
    List<Optional<T>> all = new ArrayList<>(requested.size());
    for (K key : requested) {
      all.add(find(key));
    }
    return Collections.unmodifiableList(all);
  }

  /**
   * The value for {@code key}, empty if it has no row.
   *
   * @throws PgBelayException if this key was not asked for: that nothing is known about it must not
   *     pass for "no row"
   */
  public Optional<T> find(K key) {
    Optional<T> answer = answers.get(key);
    if (answer == null) {
      throw new PgBelayException(
          "this key was not among the "
              + answers.size()
              + " that were loaded; load it, or ask with an equal object (BigDecimal 1.0 and 1.00"
              + " are two keys to Java)");
    }
    return answer;
  }

  @Override
  public String toString() {
    return "Loaded[found=" + found().size() + ", missing=" + missing().size() + "]";
  }
}

package dev.pgbelay.reconcile.guard;

import dev.pgbelay.reconcile.guard.ParentLookup.Answer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;

/**
 * One call of a cached guard: at most one statement, and none while another thread asks the same.
 */
final class GuardQuestion {
  private final ParentCache cache;
  private final Function<List<List<String>>, List<Answer>> ask;

  GuardQuestion(ParentCache cache, Function<List<List<String>>, List<Answer>> ask) {
    this.cache = cache;
    this.ask = ask;
  }

  /** The keys that have no parent. */
  List<List<String>> missing(List<List<String>> keys) {
    List<List<String>> missing = new ArrayList<>();
    List<List<String>> unknown = new ArrayList<>();
    for (List<String> key : keys) {
      Boolean known = cache.find(key);
      if (known == null) {
        unknown.add(key);
      } else if (!known) {
        missing.add(key);
      }
    }
    if (!missing.isEmpty()) {
      return missing;
    }
    while (!unknown.isEmpty()) {
      CountDownLatch answer = new CountDownLatch(1);
      List<List<String>> mine = unknown.stream().filter(key -> cache.asks(key, answer)).toList();
      if (!mine.isEmpty()) {
        try {
          return asked(unknown);
        } finally {
          mine.forEach(key -> cache.answered(key, answer));
        }
      }
      if (!awaitOthers(unknown)) {
        return asked(unknown);
      }
      unknown = unknown.stream().filter(key -> cache.find(key) == null).toList();
    }
    return List.of();
  }

  /** False if one of them is slow or has no answer for others. */
  private boolean awaitOthers(List<List<String>> keys) {
    long until = System.nanoTime() + cache.patience().toNanos();
    for (List<String> key : keys) {
      CountDownLatch other = cache.askedBefore(key);
      try {
        if (other != null
            && !other.await(Math.max(0, until - System.nanoTime()), TimeUnit.NANOSECONDS)) {
          return false;
        }
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        return false;
      }
      if (!Boolean.TRUE.equals(cache.find(key))) {
        return false;
      }
    }
    return true;
  }

  /** An answer is the others' business only if this transaction cannot take it back. */
  private List<List<String>> asked(List<List<String>> keys) {
    Map<List<String>, Long> stamps = new LinkedHashMap<>();
    keys.forEach(key -> stamps.put(key, cache.stamp(key)));
    List<Answer> answers = ask.apply(keys);
    List<List<String>> missing = new ArrayList<>();
    for (Answer each : answers) {
      long stamp = Objects.requireNonNull(stamps.get(each.key()));
      if (!each.isThere()) {
        missing.add(each.key());
      }
      if (each.isSpelledAlike() && (each.isThere() ? each.isCurrent() : each.isCommitted())) {
        cache.keep(each.key(), each.isThere(), stamp);
      }
    }
    return missing;
  }
}

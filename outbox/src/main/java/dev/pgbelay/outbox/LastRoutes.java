package dev.pgbelay.outbox;

import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Where the messages of a topic went a moment ago. Only for who is woken: where a message goes is
 * read from the routes by the statement that appends it, and whoever is not woken polls. Safe for
 * several threads.
 */
final class LastRoutes {
  private static final long NANOS = TimeUnit.SECONDS.toNanos(1);

  private record Seen(Set<Integer> destinations, long at) {}

  /** By database and topic. */
  private final Map<String, Seen> byTopic = new ConcurrentHashMap<>();

  /** Null if that was too long ago. */
  @Nullable Set<Integer> of(String topic) {
    Seen seen = byTopic.get(topic);
    return seen == null || System.nanoTime() - seen.at > NANOS ? null : seen.destinations;
  }

  void saw(String topic, Set<Integer> destinations) {
    byTopic.put(topic, new Seen(destinations, System.nanoTime()));
  }

  void forget(String topic) {
    byTopic.remove(topic);
  }
}

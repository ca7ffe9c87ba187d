package dev.pgbelay.outbox;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;

/** Takes what it is told to, remembers all in order, and complains of keys that overlap. */
final class Collected implements MessagePublisher {
  private final int batchSize;
  private final List<Message> delivered = new ArrayList<>();
  private final Set<String> busy = ConcurrentHashMap.newKeySet();
  private final Set<String> overlapping = ConcurrentHashMap.newKeySet();
  private volatile Answer answer = message -> Delivery.delivered();

  /** What becomes of a message. */
  interface Answer {
    Delivery to(Message message) throws InterruptedException;
  }

  Collected(int batchSize) {
    this.batchSize = batchSize;
  }

  Collected() {
    this(1);
  }

  Collected answering(Answer next) {
    answer = next;
    return this;
  }

  @Override
  public int batchSize() {
    return batchSize;
  }

  @Override
  public List<Delivery> publish(List<Message> messages) throws InterruptedException {
    Set<String> keys = new HashSet<>();
    messages.forEach(message -> message.key().ifPresent(keys::add));
    keys.forEach(
        key -> {
          if (!busy.add(key)) {
            overlapping.add(key);
          }
        });
    try {
      List<Delivery> results = new ArrayList<>();
      Set<String> failed = new HashSet<>();
      for (Message message : messages) {
        String key = message.key().orElse("#" + message.sequence());
        Delivery result = failed.contains(key) ? Delivery.failed("behind one") : answer.to(message);
        if (result.outcome() == Delivery.Outcome.DELIVERED) {
          synchronized (delivered) {
            delivered.add(message);
          }
        } else {
          failed.add(key);
        }
        results.add(result);
      }
      return results;
    } finally {
      busy.removeAll(keys);
    }
  }

  List<Message> all() {
    synchronized (delivered) {
      return List.copyOf(delivered);
    }
  }

  int count() {
    synchronized (delivered) {
      return delivered.size();
    }
  }

  static String text(Message message) {
    return new String(message.payload(), StandardCharsets.UTF_8);
  }

  List<String> texts() {
    return all().stream().map(Collected::text).toList();
  }

  List<String> texts(String key) {
    return all().stream()
        .filter(message -> message.key().filter(key::equals).isPresent())
        .map(Collected::text)
        .toList();
  }

  /** First deliveries of each key, by what their order is told from. */
  <T> Map<String, List<T>> firsts(Function<Message, T> by) {
    Set<String> seen = new HashSet<>();
    Map<String, List<T>> keys = new LinkedHashMap<>();
    for (Message message : all()) {
      if (message.key().isPresent() && seen.add(message.messageId())) {
        keys.computeIfAbsent(message.key().get(), key -> new ArrayList<>()).add(by.apply(message));
      }
    }
    return keys;
  }

  void assertOrdered() {
    assertThat(overlapping).as("keys with two calls at once").isEmpty();
    firsts(Message::sequence)
        .forEach((key, ids) -> assertThat(ids).as("first deliveries of %s", key).isSorted());
  }
}

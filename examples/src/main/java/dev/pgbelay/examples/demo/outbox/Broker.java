package dev.pgbelay.examples.demo.outbox;

import dev.pgbelay.outbox.Delivery;
import dev.pgbelay.outbox.Message;
import dev.pgbelay.outbox.MessagePublisher;
import java.nio.charset.StandardCharsets;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;

/** Stands for a broker that never fails: whatever is sent has arrived. */
final class Broker implements MessagePublisher {
  private final Set<String> arrived = ConcurrentHashMap.newKeySet();
  private final AtomicInteger repeats = new AtomicInteger();

  void send(String event) {
    if (!arrived.add(event)) {
      repeats.incrementAndGet();
    }
  }

  @Override
  public List<Delivery> publish(List<Message> messages) {
    messages.forEach(message -> send(new String(message.payload(), StandardCharsets.UTF_8)));
    return messages.stream().map(message -> Delivery.delivered()).toList();
  }

  @Override
  public int batchSize() {
    return 500;
  }

  int events() {
    return arrived.size();
  }

  int repeats() {
    return repeats.get();
  }

  /** Purchases that nobody hears of. */
  int lost(Set<String> purchases) {
    Set<String> unheard = new HashSet<>(purchases);
    unheard.removeAll(arrived);
    return unheard.size();
  }

  /** Events about purchases that do not exist. */
  int invented(Set<String> purchases) {
    Set<String> untrue = new HashSet<>(arrived);
    untrue.removeAll(purchases);
    return untrue.size();
  }
}

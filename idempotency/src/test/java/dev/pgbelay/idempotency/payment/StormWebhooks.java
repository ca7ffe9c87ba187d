package dev.pgbelay.idempotency.payment;

import dev.pgbelay.idempotency.testing.FakeEvent;
import dev.pgbelay.idempotency.testing.FakeProvider;
import java.io.IOException;
import java.net.URI;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Delivers the events of the storm's providers: half of them soon, half of them late, in any order,
 * three in ten again, to any process that is there; what was not taken, later again.
 */
final class StormWebhooks implements AutoCloseable {
  private static final double AGAIN = 0.3;
  private static final int LATE_MILLIS = 2_000;

  private record Delivery(FakeProvider from, FakeEvent event, long due) {}

  private final Collection<FakeProvider> providers;
  private final Random random;
  private final List<URI> targets = new CopyOnWriteArrayList<>();
  private final Map<FakeProvider, Integer> seen = new HashMap<>();
  private final List<Delivery> pending = new ArrayList<>();
  private final Map<Integer, Integer> statuses = new TreeMap<>();
  private final List<Thread> threads = new ArrayList<>();
  private volatile boolean closed;

  StormWebhooks(Collection<FakeProvider> providers, Random random) {
    this.providers = providers;
    this.random = random;
    for (int i = 0; i < 2; i++) {
      Thread thread = new Thread(this::deliver, "storm-webhooks-" + i);
      thread.setDaemon(true);
      threads.add(thread);
      thread.start();
    }
  }

  void to(URI target) {
    targets.add(target);
  }

  void notTo(URI target) {
    targets.remove(target);
  }

  private void deliver() {
    while (!closed) {
      Delivery one = targets.isEmpty() ? null : take();
      try {
        if (one == null) {
          TimeUnit.MILLISECONDS.sleep(2);
        } else {
          deliver(one);
        }
      } catch (InterruptedException e) {
        return;
      }
    }
  }

  private void deliver(Delivery one) throws InterruptedException {
    int status;
    try {
      URI target = targets.get(draw(targets.size()));
      one.from().webhooks(target, StormInbox.signatures(), FakeProvider.Webhooks.HELD);
      status = one.from().deliver(one.event());
    } catch (IOException | IndexOutOfBoundsException e) {
      status = 0;
    }
    done(one, status);
  }

  private synchronized int draw(int bound) {
    return random.nextInt(bound);
  }

  private synchronized void done(Delivery one, int status) {
    statuses.merge(status, 1, Integer::sum);
    boolean taken = status == 200 || status == 404;
    if (!taken || random.nextDouble() < AGAIN) {
      pending.add(new Delivery(one.from(), one.event(), due()));
    }
  }

  private long due() {
    return System.nanoTime()
        + TimeUnit.MILLISECONDS.toNanos(
            random.nextBoolean() ? random.nextInt(20) : random.nextInt(LATE_MILLIS));
  }

  private synchronized @Nullable Delivery take() {
    notice();
    long now = System.nanoTime();
    List<Delivery> due = pending.stream().filter(one -> one.due() - now <= 0).toList();
    if (due.isEmpty()) {
      return null;
    }
    Delivery one = due.get(random.nextInt(due.size()));
    pending.remove(one);
    return one;
  }

  private void notice() {
    for (FakeProvider provider : providers) {
      List<FakeEvent> events = provider.events();
      int from = seen.getOrDefault(provider, 0);
      for (FakeEvent event : events.subList(from, events.size())) {
        pending.add(new Delivery(provider, event, due()));
      }
      seen.put(provider, events.size());
    }
  }

  /** By the status of the answers; 0 where nobody answered. */
  synchronized Map<Integer, Integer> statuses() {
    return new TreeMap<>(statuses);
  }

  /** Lets deliveries that are under way end, and makes no more. */
  @Override
  public void close() {
    closed = true;
    for (Thread thread : threads) {
      try {
        thread.join();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        return;
      }
    }
  }
}

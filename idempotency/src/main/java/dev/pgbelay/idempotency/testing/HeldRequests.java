package dev.pgbelay.idempotency.testing;

import java.time.Duration;

/** Requests that a provider sits on until it is told to go on, or until it closes. */
final class HeldRequests {
  private final Duration longest;
  private int held;
  private long releases;
  private boolean closed;

  HeldRequests(Duration longest) {
    this.longest = longest;
  }

  /** Whether the request goes on; if not, the provider is gone. */
  synchronized boolean hold() throws InterruptedException {
    long begin = System.nanoTime();
    long before = releases;
    held++;
    try {
      while (!closed && releases == before) {
        long left = longest.toMillis() - (System.nanoTime() - begin) / 1_000_000;
        if (left <= 0) {
          break;
        }
        wait(left);
      }
      return !closed;
    } finally {
      held--;
    }
  }

  synchronized int count() {
    return held;
  }

  synchronized void release() {
    releases++;
    notifyAll();
  }

  synchronized void close() {
    closed = true;
    notifyAll();
  }
}

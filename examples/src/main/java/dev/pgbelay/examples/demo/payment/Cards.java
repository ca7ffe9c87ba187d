package dev.pgbelay.examples.demo.payment;

import dev.pgbelay.idempotency.testing.FakeProvider;
import dev.pgbelay.idempotency.testing.FakeProviderClient;
import dev.pgbelay.idempotency.testing.ProviderFault;
import java.net.http.HttpClient;
import java.time.Duration;
import java.time.InstantSource;

/**
 * A card provider of which every fourth customer's first charge is made, and answered only after
 * its caller has given up.
 */
final class Cards implements AutoCloseable {
  static final int CUSTOMERS = 40;
  static final Duration PATIENCE = Duration.ofMillis(400);
  private static final int EVERY = 4;
  private static final Duration LONGEST = Duration.ofSeconds(30);

  private final FakeProvider provider = FakeProvider.start(InstantSource.system());
  private final FakeProviderClient client =
      new FakeProviderClient(HttpClient.newHttpClient(), provider.uri(), PATIENCE);

  static String reference(int customer) {
    return "order-" + customer;
  }

  FakeProviderClient client() {
    return client;
  }

  /** Before each customer's first click. */
  void prepareFor(int customer) {
    if (customer % EVERY == 0) {
      provider.next(ProviderFault.HOLD_AFTER_ACTING);
    }
  }

  /** Returns when each request so far has charged, also those whose callers have gone. */
  void awaitCharges() throws InterruptedException {
    long start = System.nanoTime();
    while (provider.charges().size() < provider.requests()
        && System.nanoTime() - start < LONGEST.toNanos()) {
      Thread.sleep(1);
    }
  }

  /** Of how many customers money was taken more often than that. */
  int chargedMoreThan(int times) {
    int customers = 0;
    for (int i = 0; i < CUSTOMERS; i++) {
      if (provider.effects(reference(i)) > times) {
        customers++;
      }
    }
    return customers;
  }

  @Override
  public void close() {
    provider.close();
  }
}

package dev.pgbelay.examples.demo.payment;

import dev.pgbelay.examples.demo.DemoContext;
import dev.pgbelay.examples.demo.payment.HandWrittenKeys.OnException;
import dev.pgbelay.idempotency.Answer;
import dev.pgbelay.idempotency.IdempotencyKey;
import dev.pgbelay.idempotency.Outcome;
import dev.pgbelay.idempotency.payment.PaymentOperation;
import java.time.Duration;
import java.util.HashSet;
import java.util.Set;

/**
 * Customers one after the other, who each click up to three times, or until they have a receipt.
 *
 * @param seconds for all of them
 * @param chargedTwice customers of whom money was taken more than once
 * @param unanswered customers who were charged and never got their receipt
 * @param unknown customers of whom it was not known for a time whether they had been charged
 */
record Clicks(double seconds, int chargedTwice, int unanswered, int unknown) {
  private static final int CLICKS = 3;
  private static final long MOST_SECONDS = 30;

  static Clicks handWritten(DemoContext context, OnException onException) throws Exception {
    try (Cards cards = new Cards()) {
      HandWrittenKeys keys = new HandWrittenKeys(context.primary(), cards, onException);
      int unanswered = 0;
      long start = System.nanoTime();
      for (int customer = 0; customer < Cards.CUSTOMERS; customer++) {
        cards.prepareFor(customer);
        if (!answers(keys, Cards.reference(customer))) {
          unanswered++;
        }
        cards.awaitCharges();
      }
      return new Clicks(since(start), cards.chargedMoreThan(1), unanswered, 0);
    }
  }

  private static boolean answers(HandWrittenKeys keys, String order) throws InterruptedException {
    for (int click = 0; click < CLICKS; click++) {
      if (keys.pay(order).isPresent()) {
        return true;
      }
    }
    return false;
  }

  static Clicks pgbelay(DemoContext context) throws Exception {
    try (Cards cards = new Cards();
        Shop shop = new Shop(context, cards)) {
      Set<String> unknown = new HashSet<>();
      int unanswered = 0;
      long start = System.nanoTime();
      for (int customer = 0; customer < Cards.CUSTOMERS; customer++) {
        cards.prepareFor(customer);
        if (!answers(shop.checkout(), Cards.reference(customer), unknown)) {
          unanswered++;
        }
      }
      return new Clicks(since(start), cards.chargedMoreThan(1), unanswered, unknown.size());
    }
  }

  /** Comes again when told to, for as long as told to. */
  private static boolean answers(
      PaymentOperation<String, String> checkout, String order, Set<String> unknown)
      throws InterruptedException {
    IdempotencyKey key = checkout.key("demo", order);
    long start = System.nanoTime();
    while (since(start) < MOST_SECONDS) {
      Answer<String> answer = checkout.execute(key, order);
      if (answer.response().isPresent()) {
        return true;
      }
      if (answer.outcome() == Outcome.UNKNOWN_OUTCOME) {
        unknown.add(order);
      }
      // A service would wait for as long as it is told; the demo's customers look more often.
      Thread.sleep(Duration.ofMillis(20).toMillis());
    }
    return false;
  }

  private static double since(long start) {
    return (System.nanoTime() - start) / 1e9;
  }
}

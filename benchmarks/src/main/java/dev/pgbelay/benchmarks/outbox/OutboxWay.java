package dev.pgbelay.benchmarks.outbox;

import java.util.concurrent.atomic.LongAdder;
import java.util.function.Consumer;

/** One way of keeping messages in a table until they are delivered. */
interface OutboxWay extends AutoCloseable {
  /** Makes or empties the tables. */
  void reset() throws Exception;

  /** One business transaction: a row of an order, and one event about it. */
  void produce(long number, String key) throws Exception;

  /** Appends messages that nobody delivers yet, without business rows. */
  void fill(long from, long to, Keys keys) throws Exception;

  /** Starts what delivers every message once. */
  Relay relay(Consumer<String> delivered) throws Exception;

  /** Messages that are not delivered, or of which that is not written down. */
  long left() throws Exception;

  /** Business rows. */
  long orders() throws Exception;

  @Override
  default void close() {}

  /** The key of each message. */
  interface Keys {
    String of(long number);
  }

  /** What delivers. */
  interface Relay {
    void stop() throws Exception;
  }

  /** What the handler saw. */
  final class Delivered {
    private final LongAdder messages = new LongAdder();
    private final LongAdder sum = new LongAdder();

    void message(String payload) {
      messages.increment();
      sum.add(Long.parseLong(payload));
    }

    long messages() {
      return messages.sum();
    }

    long sum() {
      return sum.sum();
    }
  }
}

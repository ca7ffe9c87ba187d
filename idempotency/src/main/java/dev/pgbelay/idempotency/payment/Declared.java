package dev.pgbelay.idempotency.payment;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.idempotency.Codec;
import dev.pgbelay.idempotency.IdempotencyKey;
import java.time.Duration;
import java.util.concurrent.ThreadLocalRandom;

/**
 * An operation as it was declared. Immutable.
 *
 * @param isFoundByProviderKey whether a settlement may name a payment by its provider key
 * @param lease how long a claim holds without a renewal
 * @param maxAttempts failures and crashes in a row before a payment is parked
 * @param firstPause after the first of them, doubling to {@code longestPause}
 */
record Declared<Q, R>(
    String name,
    StepList<Q> steps,
    DatabaseStep<Q, R> respond,
    Codec<Q> requests,
    Codec<R> responses,
    int maxBytes,
    boolean isFoundByProviderKey,
    TxOptions options,
    Duration lease,
    Duration retention,
    int maxAttempts,
    Duration firstPause,
    Duration longestPause) {

  /** With jitter, so that what failed together does not come back together. */
  Duration pauseAfter(int attempts) {
    long mean = firstPause.toMillis() << Math.min(attempts, 30);
    long most = mean <= 0 ? longestPause.toMillis() : Math.min(mean, longestPause.toMillis());
    return Duration.ofMillis(ThreadLocalRandom.current().nextLong(most / 2, most + 1));
  }

  <T> byte[] encode(String what, Codec<T> codec, T value) {
    byte[] bytes = codec.encode(value);
    if (bytes.length > maxBytes) {
      throw new PgBelayException(
          "the "
              + what
              + " of operation \""
              + name
              + "\" has "
              + bytes.length
              + " bytes, and at most "
              + maxBytes
              + " are stored. Keep less, or raise maxBytes");
    }
    return bytes;
  }

  /** Without the codec's own exception, whose message may hold what was stored. */
  <T> T decode(String what, Codec<T> codec, IdempotencyKey key, byte[] bytes) {
    try {
      return codec.decode(bytes);
    } catch (Exception e) {
      throw new PgBelayException(
          "the "
              + what
              + " stored with payment "
              + key
              + " cannot be read ("
              + e.getClass().getName()
              + "): its codec must read what older versions wrote");
    }
  }
}

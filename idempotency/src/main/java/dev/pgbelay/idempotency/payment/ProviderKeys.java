package dev.pgbelay.idempotency.payment;

import dev.pgbelay.idempotency.IdempotencyKey;
import dev.pgbelay.idempotency.internal.KeyLock;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Optional;
import java.util.regex.Pattern;

/**
 * The idempotency keys that providers are sent: 120 bits of a digest of the payment's key, by which
 * the payment is found again, and 40 bits of one of key and step, which tell its steps apart.
 */
final class ProviderKeys {
  private static final int BEGINNING = 15;
  private static final int STEP = 5;
  private static final Pattern FORM = Pattern.compile("[0-9a-f]{" + 2 * (BEGINNING + STEP) + "}");

  private ProviderKeys() {}

  static String of(IdempotencyKey key, String step) {
    byte[] end = Arrays.copyOf(KeyLock.digest(key, "provider key of step " + step), STEP);
    return HexFormat.of().formatHex(beginning(key)) + HexFormat.of().formatHex(end);
  }

  /** What all provider keys of one payment begin with. */
  static byte[] beginning(IdempotencyKey key) {
    return Arrays.copyOf(KeyLock.digest(key, "provider key"), BEGINNING);
  }

  /** Empty if it is not of our making. */
  static Optional<byte[]> beginning(String providerKey) {
    return FORM.matcher(providerKey).matches()
        ? Optional.of(HexFormat.of().parseHex(providerKey.substring(0, 2 * BEGINNING)))
        : Optional.empty();
  }
}

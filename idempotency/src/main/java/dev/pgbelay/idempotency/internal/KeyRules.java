package dev.pgbelay.idempotency.internal;

import dev.pgbelay.core.PgBelayException;
import java.util.regex.Pattern;

/** What may be part of a key. */
public final class KeyRules {
  /** The longest key, in characters. */
  public static final int LONGEST_KEY = 255;

  private static final int LONGEST_TENANT = 128;
  private static final int LONGEST_OPERATION = 50;
  private static final Pattern OPERATION = Pattern.compile("[a-z][a-z0-9.-]*");

  private KeyRules() {}

  public static void requireTenant(String tenant) {
    requirePrintable("tenant", tenant, LONGEST_TENANT);
  }

  public static void requireKey(String key) {
    requirePrintable("key", key, LONGEST_KEY);
  }

  public static void requireOperation(String operation) {
    if (operation.length() > LONGEST_OPERATION || !OPERATION.matcher(operation).matches()) {
      throw new PgBelayException(
          "the operation must be 1 to "
              + LONGEST_OPERATION
              + " of a-z, 0-9, dot and hyphen, a letter first; it has "
              + operation.length()
              + " characters");
    }
  }

  private static void requirePrintable(String part, String value, int longest) {
    if (value.isEmpty() || value.length() > longest) {
      throw new PgBelayException(
          "the "
              + part
              + " of an idempotency key must have 1 to "
              + longest
              + " characters, has "
              + value.length());
    }
    for (int i = 0; i < value.length(); i++) {
      char c = value.charAt(i);
      if (c < 0x20 || c > 0x7e) {
        throw new PgBelayException(
            "the "
                + part
                + " of an idempotency key must be printable ASCII; character "
                + (i + 1)
                + " is not");
      }
    }
  }
}

package dev.pgbelay.idempotency.reconciliation;

import dev.pgbelay.core.PgBelayException;
import java.util.Locale;
import java.util.regex.Pattern;

/**
 * An amount of money.
 *
 * <p>Immutable.
 *
 * @param minorUnits in the smallest unit of the currency, as providers count
 * @param currency three letters; kept in upper case, so that {@code eur} equals {@code EUR}
 */
public record Amount(long minorUnits, String currency) {
  private static final Pattern CURRENCY = Pattern.compile("[A-Z]{3}");

  /**
   * Checks the currency.
   *
   * @throws PgBelayException if it is not three letters
   */
  public Amount {
    currency = currency.toUpperCase(Locale.ROOT);
    if (!CURRENCY.matcher(currency).matches()) {
      throw new PgBelayException("a currency must be three letters, has " + currency.length());
    }
  }

  @Override
  public String toString() {
    return minorUnits + " " + currency;
  }
}

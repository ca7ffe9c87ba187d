package dev.pgbelay.idempotency.fingerprint;

import dev.pgbelay.idempotency.fingerprint.UnfitRequestException.Reason;

/**
 * A number as JSON writes it, exactly: digits × 10^exponent, without zeros at either end. Never a
 * double, and never expanded, so that {@code 1e400000000} costs nothing.
 */
record Decimal(boolean negative, String digits, long exponent) {
  private static final Decimal ZERO = new Decimal(false, "0", 0);

  /** More digits than any exponent of use has, and few enough for a long. */
  private static final int LONGEST_EXPONENT = 15;

  /** Reads what JSON's grammar has already passed as a number. */
  static Decimal parse(String text) {
    int begin = text.startsWith("-") ? 1 : 0;
    int mark = exponentMark(text);
    String mantissa = text.substring(begin, mark);
    int point = mantissa.indexOf('.');
    String all =
        point < 0 ? mantissa : mantissa.substring(0, point) + mantissa.substring(point + 1);
    int first = 0;
    while (first < all.length() && all.charAt(first) == '0') {
      first++;
    }
    if (first == all.length()) {
      return ZERO;
    }
    int end = all.length();
    while (all.charAt(end - 1) == '0') {
      end--;
    }
    long fraction = point < 0 ? 0 : mantissa.length() - point - 1L;
    long dropped = all.length() - (long) end;
    long written = mark == text.length() ? 0 : exponent(text.substring(mark + 1));
    return new Decimal(begin == 1, all.substring(first, end), written - fraction + dropped);
  }

  private static int exponentMark(String text) {
    for (int i = 0; i < text.length(); i++) {
      if (text.charAt(i) == 'e' || text.charAt(i) == 'E') {
        return i;
      }
    }
    return text.length();
  }

  private static long exponent(String text) {
    boolean negative = text.startsWith("-");
    int first = negative || text.startsWith("+") ? 1 : 0;
    while (first < text.length() - 1 && text.charAt(first) == '0') {
      first++;
    }
    if (text.length() - first > LONGEST_EXPONENT) {
      throw new UnfitRequestException(
          Reason.TOO_LONG,
          "a number's exponent has %d digits, of which %d are the most: write the number plainly"
              .formatted(text.length() - first, LONGEST_EXPONENT));
    }
    long value = Long.parseLong(text.substring(first));
    return negative ? -value : value;
  }

  @Override
  public String toString() {
    return (negative ? "-" : "") + digits + "e" + exponent;
  }
}

package dev.pgbelay.core.internal;

import dev.pgbelay.core.TxOptions;

/** For values that are kept as text: every session writes and reads them alike. */
public final class SteadyText {
  private SteadyText() {}

  /**
   * For a transaction that writes such text, or reads it: whatever the session's own styles are,
   * floating-point numbers keep all their digits, and intervals their signs. The zone of time stays
   * what it is, as do the rules by which a date is read.
   */
  public static TxOptions.Builder in(TxOptions.Builder options) {
    return options
        .setting("datestyle", "ISO")
        .setting("intervalstyle", "postgres")
        .setting("bytea_output", "hex")
        .setting("extra_float_digits", "1");
  }
}

package dev.pgbelay.core;

import java.time.Duration;
import java.util.Locale;
import java.util.Set;
import java.util.regex.Pattern;

/** What the values of {@link TxOptions} must be. */
final class OptionRules {
  private static final Pattern PATH = Pattern.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,62}");
  private static final Pattern SETTING =
      Pattern.compile("[A-Za-z_][A-Za-z0-9_$]*(\\.[A-Za-z_][A-Za-z0-9_$]*)?");
  private static final Set<String> GOVERNED =
      Set.of(
          "statement_timeout",
          "lock_timeout",
          "transaction_timeout",
          "transaction_isolation",
          "transaction_read_only");
  private static final Set<String> OUT_OF_REACH =
      Set.of("transaction_deferrable", "session_authorization");
  private static final Duration SHORTEST = Duration.ofMillis(1);
  private static final Duration LONGEST = Duration.ofHours(24);

  private OptionRules() {}

  static void requirePath(String name) {
    if (!PATH.matcher(name).matches()) {
      throw new PgBelayException(
          "path '" + name + "' must be 1 to 63 letters, digits, '.', '-' or '_'");
    }
  }

  static void requireSetting(String name) {
    if (!SETTING.matcher(name).matches()) {
      throw new PgBelayException(
          "setting '" + name + "' is not a setting's name: letters, digits, '_', one dot");
    }
    if (GOVERNED.contains(name.toLowerCase(Locale.ROOT))) {
      throw new PgBelayException(
          "setting '" + name + "' is governed by deadline, lockTimeout, isolation and readOnly");
    }
    if (OUT_OF_REACH.contains(name.toLowerCase(Locale.ROOT))) {
      throw new PgBelayException(
          "setting '"
              + name
              + "' cannot be set for one transaction by its name; for another role set 'role', for"
              + " a deferrable transaction send SET TRANSACTION DEFERRABLE as its first statement");
    }
  }

  static void requireTime(String option, Duration value) {
    requireAtLeast(option, value, SHORTEST);
    if (value.compareTo(LONGEST) > 0) {
      throw new PgBelayException(option + " must be at most " + LONGEST + ", is " + value);
    }
  }

  static void requireAtLeast(String option, Duration value, Duration least) {
    if (value.compareTo(least) < 0) {
      throw new PgBelayException(option + " must be at least " + least + ", is " + value);
    }
  }
}

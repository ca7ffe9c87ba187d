package dev.pgbelay.reconcile;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.internal.OptionRange;
import dev.pgbelay.reconcile.internal.Given;
import java.time.Duration;
import java.util.List;
import java.util.regex.Pattern;
import org.jooq.Field;
import org.jspecify.annotations.Nullable;

/** What every declaration must be, as far as that shows without a database. */
final class DeclarationRules {
  private static final Pattern NAME = Pattern.compile("[a-z0-9][a-z0-9._-]{0,62}");

  private DeclarationRules() {}

  static void require(@Nullable String name, @Nullable Duration grace) {
    if (name == null || !NAME.matcher(name).matches()) {
      throw new PgBelayException(
          "declaration '%s': a name is 1 to 63 lower-case letters, digits, '.', '-' or '_'"
              .formatted(name));
    }
    OptionRange.require(of(name) + "grace", grace, Duration.ZERO, Duration.ofDays(7));
  }

  static <T> T given(String declaration, String option, @Nullable T value) {
    if (value == null) {
      throw new PgBelayException(of(declaration) + option + " is missing: say it");
    }
    return value;
  }

  /** What a message begins with. */
  static String of(String declaration) {
    return "declaration '" + declaration + "': ";
  }

  static List<Field<?>> columns(String declaration, String option, List<Field<?>> given) {
    List<Field<?>> columns = Given.all(of(declaration) + option, given);
    if (columns.isEmpty() || columns.size() > 32) {
      throw new PgBelayException(
          "declaration '%s': %s must have 1 to 32 columns, has %d"
              .formatted(declaration, option, columns.size()));
    }
    long distinct = columns.stream().map(Field::getName).distinct().count();
    if (distinct < columns.size()) {
      throw new PgBelayException(
          "declaration '%s': %s names a column twice: %s"
              .formatted(declaration, option, columns.stream().map(Field::getName).toList()));
    }
    return columns;
  }
}

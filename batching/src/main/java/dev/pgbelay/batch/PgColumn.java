package dev.pgbelay.batch;

import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * A column as the catalog has it.
 *
 * @param identity {@code a} for GENERATED ALWAYS, {@code d} for BY DEFAULT, else empty
 * @param generated whether an expression computes it
 * @param type as SQL writes it, without a length
 * @param baseType the name of the type below all domains
 * @param baseKind {@code e} for an enum, {@code b} for a type of its own, …
 * @param builtIn whether the base type is one of PostgreSQL's own
 * @param baseTypeWithLength the base type with its length or precision, as SQL writes it
 * @param defaultSql an expression that yields what DEFAULT would; null for NULL
 */
record PgColumn(
    String name,
    int number,
    boolean notNull,
    String identity,
    boolean generated,
    String type,
    String baseType,
    String baseKind,
    boolean builtIn,
    int typmod,
    String baseTypeWithLength,
    @Nullable String defaultSql) {

  private static final Set<String> ROUNDED =
      Set.of("numeric", "time", "timetz", "timestamp", "timestamptz", "interval");

  /**
   * Whether the type has a precision to which a cast rounds as assignment does: text and bits it
   * would cut, where assignment refuses.
   */
  boolean castRounds() {
    String element = baseType.startsWith("_") ? baseType.substring(1) : baseType;
    return builtIn && typmod >= 0 && ROUNDED.contains(element);
  }

  boolean isIdentityAlways() {
    return identity.equals("a");
  }

  /** Whether leaving it out makes the server compute a value. */
  boolean isServerMade() {
    return generated || !identity.isEmpty() || defaultSql != null;
  }
}

package dev.pgbelay.lock;

import java.time.temporal.Temporal;
import java.util.List;
import java.util.UUID;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * One row or one name that is to be locked, made by its {@link LockClass}. Immutable. Two are equal
 * if they have the same class and Java takes their keys for equal; whether the server does is
 * decided there.
 */
public final class Resource {
  private final LockClass lockClass;
  private final List<Object> key;
  private final List<Object> values;

  /** The values with {@code equals}. */
  private final List<Object> canonical;

  Resource(LockClass lockClass, List<Object> key, List<Object> values) {
    this.lockClass = lockClass;
    this.key = key;
    this.values = values;
    this.canonical = KeyText.canonical(values);
  }

  public LockClass lockClass() {
    return lockClass;
  }

  /** The parts of the key, or the name, as they were given. */
  public List<Object> key() {
    return key;
  }

  /** The key as the database has it: converted, and a name as its number. */
  List<Object> values() {
    return values;
  }

  @Override
  public boolean equals(@Nullable Object other) {
    return other instanceof Resource that
        && lockClass.equals(that.lockClass)
        && canonical.equals(that.canonical);
  }

  @Override
  public int hashCode() {
    return canonical.hashCode();
  }

  /** For messages: numbers, UUIDs and dates are shown, text is not, for it may be anything. */
  @Override
  public String toString() {
    return key.stream()
        .map(
            part ->
                part instanceof Number || part instanceof UUID || part instanceof Temporal
                    ? part.toString()
                    : "…")
        .collect(Collectors.joining(", ", lockClass.name() + " (", ")"));
  }
}

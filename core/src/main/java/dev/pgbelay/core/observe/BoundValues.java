package dev.pgbelay.core.observe;

import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The values that were bound to one execution, for observers that must compare them. They may be
 * secrets: an observer works with them and never tells them, and {@link #toString()} does not
 * either. Immutable as far as the values are.
 */
public final class BoundValues {
  private static final BoundValues NONE = new BoundValues(List.of());

  private final List<@Nullable Object[]> sets;

  private BoundValues(List<@Nullable Object[]> sets) {
    this.sets = sets;
  }

  /** Of a statement without parameters, or where they are not known. */
  public static BoundValues none() {
    return NONE;
  }

  /** One array for each set of a batch, the first parameter at index 0. */
  public static BoundValues of(List<@Nullable Object[]> sets) {
    return sets.isEmpty() ? NONE : new BoundValues(List.copyOf(sets));
  }

  /** How many sets there are; 0 where nothing was bound. */
  public int sets() {
    return sets.size();
  }

  /**
   * The value of parameter {@code ordinal}, counted from 1 as in JDBC; null also where none was
   * set.
   */
  public @Nullable Object get(int set, int ordinal) {
    @Nullable Object[] values = sets.get(set);
    return ordinal <= values.length ? values[ordinal - 1] : null;
  }

  /** How many values, not which. */
  @Override
  public String toString() {
    return "BoundValues" + Arrays.toString(sets.stream().mapToInt(set -> set.length).toArray());
  }
}

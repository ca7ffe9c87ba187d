package dev.pgbelay.batch;

import dev.pgbelay.core.PgBelayException;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.BinaryOperator;
import org.jooq.Field;
import org.jooq.impl.DSL;
import org.jspecify.annotations.Nullable;

/**
 * What becomes of rows of one call that have the same key. Sameness is PostgreSQL's, by the unique
 * index of the key: 1.0 and 1.00 are one {@code numeric}, {@code A} and {@code a} one {@code
 * citext}, and two NULLs are different unless the index says otherwise.
 *
 * <p>The database judges the row that they come to, not each of them. Where it refuses that row, a
 * partial writer rejects one of them and puts the others together again: the first after {@link
 * #fail()} and {@link #first()}, the last after {@link #last()}, and of a fold the row with which
 * it begins to be refused. Rows whose values cannot be sent or computed are rejected before that.
 *
 * <p>Immutable and safe for several threads.
 */
public final class Duplicates {
  enum Kept {
    NONE,
    FIRST,
    LAST
  }

  private static final Duplicates FAIL = new Duplicates(Kept.NONE, Map.of());
  private static final Duplicates FIRST = new Duplicates(Kept.FIRST, Map.of());
  private static final Duplicates LAST = new Duplicates(Kept.LAST, Map.of());

  private final Kept kept;
  private final Map<Field<?>, BinaryOperator<Field<?>>> folds;

  private Duplicates(Kept kept, Map<Field<?>, BinaryOperator<Field<?>>> folds) {
    this.kept = kept;
    this.folds = folds;
  }

  /**
   * A second row with the same key is refused with SQLSTATE 21000: the whole call if it is atomic,
   * that row alone if it is partial.
   */
  public static Duplicates fail() {
    return FAIL;
  }

  /** The first of them is written, the others are {@code DUPLICATE}. */
  public static Duplicates first() {
    return FIRST;
  }

  /** The last of them is written, the others are {@code DUPLICATE}. */
  public static Duplicates last() {
    return LAST;
  }

  /**
   * The value of {@code column} is computed from those rows, two at a time in the order of the
   * call: {@code expression} is given the column of the earlier row (or of what was folded so far)
   * and of the later one. Columns without a fold are taken from the first row, after {@link
   * #first()}, or the last. The first row gets the outcome, the others are {@code DUPLICATE}.
   *
   * <p>A fold is about rows of one call only. Where which rows come in one call is a matter of time
   * or size, as in a {@link WriteCoalescer}, the update must compute the same from the stored
   * value:
   *
   * <pre>{@code
   * .duplicates(Duplicates.last().fold(STOCK.QUANTITY, (earlier, later) -> earlier.plus(later)))
   * .set(STOCK.QUANTITY, STOCK.QUANTITY.plus(excluded(STOCK.QUANTITY)))
   * }</pre>
   *
   * @throws PgBelayException after {@link #fail()}, and for a column that has a fold
   */
  @SuppressWarnings("unchecked")
  public <T> Duplicates fold(Field<T> column, BinaryOperator<Field<T>> expression) {
    if (kept == Kept.NONE) {
      throw new PgBelayException("fold belongs to first() or last(), not to fail()");
    }
    Map<Field<?>, BinaryOperator<Field<?>>> all = new LinkedHashMap<>(folds);
    BinaryOperator<Field<?>> erased =
        (earlier, later) -> expression.apply((Field<T>) earlier, (Field<T>) later);
    if (all.put(column, erased) != null) {
      throw new PgBelayException("column " + column + " has a fold already");
    }
    return new Duplicates(kept, Map.copyOf(all));
  }

  Kept kept() {
    return kept;
  }

  boolean folds() {
    return !folds.isEmpty();
  }

  /** The fold of the column of this name over two aliases of the rows. */
  @Nullable Field<?> foldOf(String column, String earlier, String later) {
    for (Map.Entry<Field<?>, BinaryOperator<Field<?>>> fold : folds.entrySet()) {
      Field<?> field = fold.getKey();
      if (field.getName().equals(column)) {
        return fold.getValue()
            .apply(
                DSL.field(DSL.quotedName(earlier, column), field.getDataType()),
                DSL.field(DSL.quotedName(later, column), field.getDataType()));
      }
    }
    return null;
  }

  Iterable<Field<?>> foldedColumns() {
    return folds.keySet();
  }
}

package dev.pgbelay.reconcile.internal;

import dev.pgbelay.reconcile.internal.TableShape.Column;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * An index as the catalog has it.
 *
 * @param columns numbers of the table's columns, those that are only included last; 0 for an
 *     expression
 * @param keyColumns how many are not only included
 * @param isImmediate whether rows are compared when they are written, not at the end
 * @param isWalked whether it has an order
 * @param isPartial whether it leaves rows out
 * @param butNull the column by whose NULLs alone it leaves rows out
 */
record IndexShape(
    List<Integer> columns,
    int keyColumns,
    boolean isUnique,
    boolean isValid,
    boolean isImmediate,
    boolean isWalked,
    boolean isPartial,
    Optional<Integer> butNull) {
  /** An index on fewer columns makes more of them unique as well. */
  boolean makesUnique(List<Column> asked) {
    return isUnique
        && isValid
        && isImmediate
        && !isPartial
        && numbers(asked).containsAll(columns.subList(0, keyColumns));
  }

  /** Children with a NULL refer to nothing: an index that leaves them out will do. */
  boolean leadsWith(List<Column> asked) {
    List<Integer> numbers = numbers(asked);
    return isWalked
        && isValid
        && numbers.size() <= keyColumns
        && Set.copyOf(columns.subList(0, numbers.size())).containsAll(numbers)
        && (!isPartial || butNull.filter(numbers::contains).isPresent());
  }

  /** In that order, since the index is walked. */
  boolean walks(List<Column> asked) {
    List<Integer> numbers = numbers(asked);
    return isWalked
        && isValid
        && !isPartial
        && numbers.size() <= keyColumns
        && columns.subList(0, numbers.size()).equals(numbers);
  }

  private static List<Integer> numbers(List<Column> columns) {
    return columns.stream().map(Column::number).toList();
  }
}

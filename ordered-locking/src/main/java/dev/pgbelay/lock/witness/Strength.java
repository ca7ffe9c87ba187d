package dev.pgbelay.lock.witness;

import org.jspecify.annotations.Nullable;

/**
 * What is held or wanted of a class: a lock on rows, on the table as a whole, or both.
 *
 * @param row null where no row that others could wait for is locked
 * @param table null for advisory locks
 */
record Strength(@Nullable RowMode row, @Nullable TableMode table) {
  static Strength advisory(boolean shared) {
    return new Strength(shared ? RowMode.KEY_SHARE : RowMode.UPDATE, null);
  }

  boolean isNothing() {
    return row == null && table == null;
  }

  boolean conflictsWith(Strength other) {
    return conflictsOnRows(other)
        || (table != null && other.table != null && table.conflictsWith(other.table));
  }

  boolean conflictsOnRows(Strength other) {
    return row != null && other.row != null && row.conflictsWith(other.row);
  }

  /** Whether only one transaction can hold this at a time. */
  boolean excludesItself() {
    return conflictsWith(this);
  }

  boolean coversRows(Strength other) {
    return other.row == null || (row != null && row.covers(other.row));
  }

  /** Two that share this, and both go on to want {@code stronger}, wait for each other. */
  boolean deadlocksOnUpgradeTo(Strength stronger) {
    boolean rows =
        row != null
            && stronger.row != null
            && !row.conflictsWith(row)
            && stronger.row.conflictsWith(row);
    return rows || deadlocksOnTableUpgradeTo(stronger);
  }

  boolean deadlocksOnTableUpgradeTo(Strength stronger) {
    return table != null
        && stronger.table != null
        && !table.conflictsWith(table)
        && stronger.table.conflictsWith(table);
  }

  String words() {
    if (table == null) {
      return row == RowMode.UPDATE ? "exclusive" : "shared";
    }
    return row == null ? "IN " + table.words() + " MODE" : row.words();
  }
}

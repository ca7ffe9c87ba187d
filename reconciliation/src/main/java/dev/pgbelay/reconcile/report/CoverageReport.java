package dev.pgbelay.reconcile.report;

import java.util.List;
import java.util.Optional;

/**
 * Every column that looks like a foreign key, and what keeps it. Immutable and safe for several
 * threads.
 *
 * @param columns by schema, table and place in the table
 * @param unusedExclusions exclusions that fit no column which looks like a foreign key: the column
 *     went, was renamed, or is declared now
 */
public record CoverageReport(List<Column> columns, List<String> unusedExclusions) {
  public CoverageReport {
    columns = List.copyOf(columns);
    unusedExclusions = List.copyOf(unusedExclusions);
  }

  /** What keeps a column. */
  public enum State {
    /** A declaration: guards, propagation and the checker. */
    DECLARED,
    /** A foreign key of the database, which has checked every row. */
    FOREIGN_KEY,
    /** Nobody needs to keep it, for the reason that was given. */
    EXCLUDED,
    /** A foreign key that is NOT VALID: rows from before it were never checked. */
    NOT_VALIDATED,
    /** Nothing. */
    UNDECLARED;

    /** Whether somebody has to decide something. */
    public boolean isOpen() {
      return this == NOT_VALIDATED || this == UNDECLARED;
    }
  }

  /**
   * One column.
   *
   * @param type as SQL writes it
   * @param by the declaration's name, the constraint's name, or the reason of the exclusion
   */
  public record Column(
      String schema, String table, String column, String type, State state, Optional<String> by) {
    /** {@code schema.table.column}, without quotes: as exclusions name it. */
    public String name() {
      return schema + "." + table + "." + column;
    }
  }

  /** Columns about which somebody has to decide. */
  public List<Column> open() {
    return columns.stream().filter(each -> each.state().isOpen()).toList();
  }

  public long count(State state) {
    return columns.stream().filter(each -> each.state() == state).count();
  }
}

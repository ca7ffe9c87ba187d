package dev.pgbelay.reconcile;

import dev.pgbelay.core.PgBelayException;
import java.util.List;
import java.util.stream.Collectors;

/** Declarations do not fit each other or the database. Nothing was written. */
public final class DeclarationException extends PgBelayException {
  private static final long serialVersionUID = 1L;

  private final transient List<Problem> problems;

  DeclarationException(List<Problem> problems) {
    super(
        problems.stream()
            .map(each -> "declaration '%s': %s".formatted(each.declaration(), each.text()))
            .collect(Collectors.joining("; ")));
    this.problems = List.copyOf(problems);
  }

  /** Everything that was found, not only the first. */
  public List<Problem> problems() {
    return problems;
  }

  /**
   * One thing that is wrong.
   *
   * @param declaration its name
   * @param text what is wrong and what to do about it, with the DDL where that is the remedy
   */
  public record Problem(String declaration, Reason reason, String text) {}

  /** Why a declaration is refused. */
  public enum Reason {
    /** Two declarations have one name. */
    NAME_TAKEN,
    /** No such table on the search path, or not a table. */
    TABLE_NOT_FOUND,
    /** No such column in the table. */
    COLUMN_NOT_FOUND,
    /** Child and parent columns are not of one type and collation. */
    TYPES_DIFFER,
    /** No unique index on the parent's columns. */
    PARENT_NOT_UNIQUE,
    /** No index begins with the child's columns: each deleted parent would read the whole table. */
    CHILD_NOT_INDEXED,
    /** The table has no primary key to walk by. */
    NO_PRIMARY_KEY,
    /** What is to be set to NULL is NOT NULL, or what is to be set to its default has none. */
    ACTION_IMPOSSIBLE,
    /** Cascades lead from a table back to it over other tables. */
    CASCADE_CYCLE,
    /** The column by which incremental runs go is not {@code timestamptz NOT NULL}. */
    CHANGES_NOT_KNOWN,
    /** No index begins with it and the primary key. */
    CHANGES_NOT_INDEXED,
    /** The server refuses a condition, an expression or a query. */
    QUERY_REFUSED
  }
}

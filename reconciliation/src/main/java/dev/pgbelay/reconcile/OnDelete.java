package dev.pgbelay.reconcile;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Tx;
import dev.pgbelay.reconcile.internal.Given;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import org.jooq.Condition;
import org.jooq.Field;

/**
 * What becomes of the children when their parent is deleted or its key changes. It happens after
 * the parent's transaction, in chunks; until then readers may meet children without a parent.
 * Immutable and safe for several threads.
 *
 * @param action in a word
 * @param assignments of {@link Action#SOFT_DELETE}: column of the child to its new value
 * @param handler of {@link Action#CUSTOM}
 * @param columns of {@link Action#SET_NULL} and {@link Action#SET_DEFAULT}: which of those that
 *     refer are set; empty for all of them
 */
public record OnDelete(
    Action action,
    Map<Field<?>, Object> assignments,
    Optional<Handler> handler,
    List<Field<?>> columns) {
  /** What is done. */
  public enum Action {
    /** The delete of a parent that has children is refused, in its own transaction. */
    RESTRICT,
    /** The children are deleted. */
    CASCADE,
    /** The columns that refer, or some of them, are set to NULL. */
    SET_NULL,
    /** The columns that refer, or some of them, are set to their defaults. */
    SET_DEFAULT,
    /** The children stay and are marked as deleted. */
    SOFT_DELETE,
    /** The application decides. */
    CUSTOM
  }

  /** Treats children whose parent is gone, in the transaction of their chunk. */
  @FunctionalInterface
  public interface Handler {
    /**
     * Treats the children of one chunk.
     *
     * @param tx the chunk's transaction
     * @param reference which is propagated
     * @param children true for the children of this chunk, which are locked
     * @return how many rows were changed
     */
    long apply(Tx tx, Reference reference, Condition children);
  }

  public OnDelete {
    Given.required("onDelete: the action", action);
    Given.required("onDelete: the handler", handler);
    assignments = Map.copyOf(Given.values("onDelete: softDelete", assignments));
    columns = Given.all("onDelete: " + action, columns);
    if (!columns.isEmpty() && action != Action.SET_NULL && action != Action.SET_DEFAULT) {
      throw new PgBelayException(
          "onDelete: columns belong to SET_NULL and SET_DEFAULT alone; action is " + action);
    }
    if (columns.stream().map(Field::getName).distinct().count() < columns.size()) {
      throw new PgBelayException(
          "onDelete: %s names a column twice: %s; name each once"
              .formatted(action, columns.stream().map(Field::getName).toList()));
    }
    if ((action == Action.SOFT_DELETE) == assignments.isEmpty()) {
      throw new PgBelayException(
          "onDelete: assignments belong to SOFT_DELETE, and to it alone; action is " + action);
    }
    if ((action == Action.CUSTOM) != handler.isPresent()) {
      throw new PgBelayException(
          "onDelete: a handler belongs to CUSTOM, and to it alone; action is " + action);
    }
  }

  /** Refuses the delete while there are children. */
  public static OnDelete restrict() {
    return of(Action.RESTRICT);
  }

  /** Deletes the children. */
  public static OnDelete cascade() {
    return of(Action.CASCADE);
  }

  /** Sets all columns that refer to NULL. */
  public static OnDelete setNull() {
    return of(Action.SET_NULL);
  }

  /**
   * Sets some of the columns that refer to NULL, such as the one beside a tenant that is NOT NULL:
   * as {@code ON DELETE SET NULL (column)} of a foreign key. A child refers to nothing by then.
   */
  public static OnDelete setNull(Field<?> first, Field<?>... others) {
    return setting(Action.SET_NULL, first, others);
  }

  /** Sets all columns that refer to their defaults, which must be those of a parent, or NULL. */
  public static OnDelete setDefault() {
    return of(Action.SET_DEFAULT);
  }

  /**
   * Sets some of the columns that refer to their defaults; with the others, which stay, these must
   * be those of a parent, or one of them NULL.
   */
  public static OnDelete setDefault(Field<?> first, Field<?>... others) {
    return setting(Action.SET_DEFAULT, first, others);
  }

  /**
   * Marks the children as deleted.
   *
   * @param assignments column of the child to a value or an expression; {@code DSL.inline((Object)
   *     null)} for NULL
   */
  public static OnDelete softDelete(Map<? extends Field<?>, ?> assignments) {
    return new OnDelete(
        Action.SOFT_DELETE,
        Given.values("onDelete: softDelete", assignments),
        Optional.empty(),
        List.of());
  }

  /**
   * Leaves the children to the application.
   *
   * @param handler called by any thread that propagates, for a chunk again if its transaction fails
   */
  public static OnDelete custom(Handler handler) {
    return new OnDelete(
        Action.CUSTOM,
        Map.of(),
        Optional.of(Given.required("onDelete: custom: the handler", handler)),
        List.of());
  }

  private static OnDelete of(Action action) {
    return new OnDelete(action, Map.of(), Optional.empty(), List.of());
  }

  private static OnDelete setting(Action action, Field<?> first, Field<?>... others) {
    List<Field<?>> columns = new ArrayList<>();
    columns.add(Given.required("onDelete: " + action + ": the column", first));
    columns.addAll(Given.<Field<?>>all("onDelete: " + action, others));
    return new OnDelete(action, Map.of(), Optional.empty(), columns);
  }

  /** For people. */
  @Override
  public String toString() {
    List<Field<?>> named = columns.isEmpty() ? List.copyOf(assignments.keySet()) : columns;
    return action
        + named.stream().map(Field::getName).sorted().collect(Collectors.joining(", ", "(", ")"));
  }
}

package dev.pgbelay.reconcile;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Tx;
import java.util.LinkedHashMap;
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
 */
public record OnDelete(
    Action action, Map<Field<?>, Object> assignments, Optional<Handler> handler) {
  /** What is done. */
  public enum Action {
    /** The delete of a parent that has children is refused, in its own transaction. */
    RESTRICT,
    /** The children are deleted. */
    CASCADE,
    /** The columns that refer are set to NULL. */
    SET_NULL,
    /** The columns that refer are set to their defaults. */
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
    assignments = Map.copyOf(assignments);
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

  /** Sets all columns that refer to their defaults, which must be those of a parent, or NULL. */
  public static OnDelete setDefault() {
    return of(Action.SET_DEFAULT);
  }

  /**
   * Marks the children as deleted.
   *
   * @param assignments column of the child to a value or an expression
   */
  public static OnDelete softDelete(Map<? extends Field<?>, ?> assignments) {
    return new OnDelete(Action.SOFT_DELETE, new LinkedHashMap<>(assignments), Optional.empty());
  }

  /**
   * Leaves the children to the application.
   *
   * @param handler called by any thread that propagates, for a chunk again if its transaction fails
   */
  public static OnDelete custom(Handler handler) {
    return new OnDelete(Action.CUSTOM, Map.of(), Optional.of(handler));
  }

  private static OnDelete of(Action action) {
    return new OnDelete(action, Map.of(), Optional.empty());
  }

  /** For people. */
  @Override
  public String toString() {
    List<String> columns = assignments.keySet().stream().map(Field::getName).sorted().toList();
    return action + columns.stream().collect(Collectors.joining(", ", "(", ")"));
  }
}

package dev.pgbelay.reconcile.repair;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Tx;
import dev.pgbelay.reconcile.Declaration;
import dev.pgbelay.reconcile.DerivedValue;
import dev.pgbelay.reconcile.Invariant;
import dev.pgbelay.reconcile.OnDelete;
import dev.pgbelay.reconcile.Reference;
import dev.pgbelay.reconcile.check.Finding;
import dev.pgbelay.reconcile.internal.Given;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jooq.Field;

/**
 * What is done about a confirmed finding. Immutable and safe for several threads.
 *
 * @param action in a word
 * @param parentValues of {@link Action#CREATE_PARENT}: further columns of the parent to values
 * @param handler of {@link Action#CUSTOM}
 * @param columns of {@link Action#SET_NULL}: which of those that refer are set
 */
public record RepairPolicy(
    Action action,
    Map<Field<?>, Object> parentValues,
    Optional<Handler> handler,
    List<Field<?>> columns) {
  /** What is done. */
  public enum Action {
    /** Nothing. */
    REPORT,
    /** The row is deleted, and kept with its reason in {@code reconcile_undo}. */
    QUARANTINE,
    /** The row is deleted. It can be put back all the same. */
    DELETE,
    /** The columns that refer, or some of them, are set to NULL. */
    SET_NULL,
    /** A parent is inserted. */
    CREATE_PARENT,
    /** The value is computed anew while its row is locked. */
    RECOMPUTE,
    /** The application does it. */
    CUSTOM
  }

  /** Repairs one row in the repair's transaction, while the row is locked. */
  @FunctionalInterface
  public interface Handler {
    /** What it throws rolls the repair back. */
    void repair(Tx tx, Finding finding);
  }

  public RepairPolicy {
    Given.required("policy: the action", action);
    Given.required("policy: the handler", handler);
    parentValues = Map.copyOf(Given.values("policy: createParent", parentValues));
    columns = Given.all("policy: " + action, columns);
    if (!parentValues.isEmpty() && action != Action.CREATE_PARENT) {
      throw new PgBelayException(
          "policy: values belong to CREATE_PARENT alone; action is " + action);
    }
    if (!columns.isEmpty() && action != Action.SET_NULL) {
      throw new PgBelayException("policy: columns belong to SET_NULL alone; action is " + action);
    }
    if (columns.stream().map(Field::getName).distinct().count() < columns.size()) {
      throw new PgBelayException(
          "policy: SET_NULL names a column twice: %s; name each once".formatted(names(columns)));
    }
    if ((action == Action.CUSTOM) != handler.isPresent()) {
      throw new PgBelayException(
          "policy: a handler belongs to CUSTOM, and to it alone; action is " + action);
    }
  }

  /** Does nothing. */
  public static RepairPolicy report() {
    return of(Action.REPORT);
  }

  /** Deletes the row, which the undo keeps with its evidence. */
  public static RepairPolicy quarantine() {
    return of(Action.QUARANTINE);
  }

  /** The same under another name, for rows that nobody will look at again. */
  public static RepairPolicy delete() {
    return of(Action.DELETE);
  }

  /**
   * Sets the columns that refer to NULL: those that the declaration's {@code OnDelete.setNull}
   * names, or else all; of references alone.
   */
  public static RepairPolicy setNull() {
    return of(Action.SET_NULL);
  }

  /** Sets some of the columns that refer to NULL; of references alone. */
  public static RepairPolicy setNull(Field<?> first, Field<?>... others) {
    List<Field<?>> columns = new ArrayList<>();
    columns.add(Given.required("policy: SET_NULL: the column", first));
    columns.addAll(Given.<Field<?>>all("policy: SET_NULL", others));
    return new RepairPolicy(Action.SET_NULL, Map.of(), Optional.empty(), columns);
  }

  /**
   * Inserts the missing parent with the child's key.
   *
   * @param values column of the parent to a value or an expression, for those without a default;
   *     none of those that are referred to
   */
  public static RepairPolicy createParent(Map<? extends Field<?>, ?> values) {
    return new RepairPolicy(
        Action.CREATE_PARENT,
        Given.values("policy: createParent", values),
        Optional.empty(),
        List.of());
  }

  /** Computes the value while the row is locked; of derived values alone. */
  public static RepairPolicy recompute() {
    return of(Action.RECOMPUTE);
  }

  /**
   * Leaves it to the application.
   *
   * @param handler called by the thread that repairs, while the row is locked
   */
  public static RepairPolicy custom(Handler handler) {
    return new RepairPolicy(
        Action.CUSTOM,
        Map.of(),
        Optional.of(Given.required("policy: custom: the handler", handler)),
        List.of());
  }

  private static RepairPolicy of(Action action) {
    return new RepairPolicy(action, Map.of(), Optional.empty(), List.of());
  }

  void requireFits(Declaration declaration) {
    boolean fits =
        switch (action) {
          case REPORT, CUSTOM -> true;
          case QUARANTINE, DELETE ->
              !(declaration instanceof Invariant invariant) || invariant.table().isPresent();
          case SET_NULL, CREATE_PARENT -> declaration instanceof Reference;
          case RECOMPUTE -> declaration instanceof DerivedValue;
        };
    if (!fits) {
      throw new PgBelayException(
          "policy of '%s': %s does not apply to a declaration of this kind; choose REPORT or CUSTOM"
              .formatted(declaration.name(), action));
    }
    if (declaration instanceof Reference reference) {
      requireFits(reference);
    }
  }

  private void requireFits(Reference reference) {
    List<String> refer = names(reference.childColumns());
    if (!refer.containsAll(names(columns))) {
      throw new PgBelayException(
          "policy of '%s': SET_NULL sets %s, and the columns that refer are %s; name some of these"
              .formatted(reference.name(), names(columns), refer));
    }
    List<String> key = names(reference.parentColumns());
    List<String> given = names(parentValues.keySet()).stream().filter(key::contains).toList();
    if (!given.isEmpty()) {
      throw new PgBelayException(
          "policy of '%s': createParent gives %s, which is the child's to give; leave it out"
              .formatted(reference.name(), given));
    }
    if (action == Action.CREATE_PARENT && reference.reads().size() == 1) {
      throw new PgBelayException(
          "policy of '%s': CREATE_PARENT is not offered where a table refers to itself; use CUSTOM"
              .formatted(reference.name()));
    }
  }

  /** The columns that are set to NULL. */
  List<Field<?>> columnsToSet(Reference reference) {
    if (!columns.isEmpty()) {
      return columns;
    }
    return reference.onDelete().action() == OnDelete.Action.SET_NULL
        ? reference.columnsToSet()
        : reference.childColumns();
  }

  private static List<String> names(Collection<Field<?>> columns) {
    return columns.stream().map(Field::getName).toList();
  }
}

package dev.pgbelay.reconcile.repair;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Tx;
import dev.pgbelay.reconcile.Declaration;
import dev.pgbelay.reconcile.DerivedValue;
import dev.pgbelay.reconcile.Invariant;
import dev.pgbelay.reconcile.Reference;
import dev.pgbelay.reconcile.check.Finding;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import org.jooq.Field;

/**
 * What is done about a confirmed finding. Immutable and safe for several threads.
 *
 * @param action in a word
 * @param parentValues of {@link Action#CREATE_PARENT}: further columns of the parent to values
 * @param handler of {@link Action#CUSTOM}
 */
public record RepairPolicy(
    Action action, Map<Field<?>, Object> parentValues, Optional<Handler> handler) {
  /** What is done. */
  public enum Action {
    /** Nothing. */
    REPORT,
    /** The row is deleted, and kept with its reason in {@code reconcile_undo}. */
    QUARANTINE,
    /** The row is deleted. It can be put back all the same. */
    DELETE,
    /** The columns that refer are set to NULL. */
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
    parentValues = Map.copyOf(parentValues);
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

  /** Sets the columns that refer to NULL; of references alone. */
  public static RepairPolicy setNull() {
    return of(Action.SET_NULL);
  }

  /**
   * Inserts the missing parent with the child's key.
   *
   * @param values column of the parent to a value or an expression, for those without a default
   */
  public static RepairPolicy createParent(Map<? extends Field<?>, ?> values) {
    return new RepairPolicy(Action.CREATE_PARENT, new LinkedHashMap<>(values), Optional.empty());
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
    return new RepairPolicy(Action.CUSTOM, Map.of(), Optional.of(handler));
  }

  private static RepairPolicy of(Action action) {
    return new RepairPolicy(action, Map.of(), Optional.empty());
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
  }
}

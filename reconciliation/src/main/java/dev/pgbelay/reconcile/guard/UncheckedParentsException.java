package dev.pgbelay.reconcile.guard;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.reconcile.Reference;

/** Rows of a guarded child were to be written whose parents this transaction has not asked for. */
public final class UncheckedParentsException extends PgBelayException {
  private static final long serialVersionUID = 1L;

  private final String reference;

  UncheckedParentsException(Reference reference, String what) {
    super(
        "reference '%s': %s; call the ParentGuard of this reference for these keys first, in the same transaction"
            .formatted(reference.name(), what));
    this.reference = reference.name();
  }

  /** The declaration's name. */
  public String reference() {
    return reference;
  }
}

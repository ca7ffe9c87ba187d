package dev.pgbelay.reconcile.health;

import java.util.List;

/**
 * What a {@link ReconcileMonitor} has read at one moment. Immutable and safe for several threads.
 *
 * @param declarations all that are declared, in their order
 * @param deletes of all references that are declared, in their order
 * @param undeclared captured deletes of references that are not declared, with which no worker goes
 *     on
 */
public record ReconcileSnapshot(
    List<DeclarationFigures> declarations,
    List<DeleteFigures> deletes,
    List<DeleteFigures> undeclared) {
  public ReconcileSnapshot {
    declarations = List.copyOf(declarations);
    deletes = List.copyOf(deletes);
    undeclared = List.copyOf(undeclared);
  }
}

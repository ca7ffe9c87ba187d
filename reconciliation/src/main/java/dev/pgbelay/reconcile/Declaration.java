package dev.pgbelay.reconcile;

import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.jooq.Field;
import org.jooq.Table;

/**
 * Something that must hold of the data and that no constraint of the database keeps. Declared once,
 * it is what guards ask, what deletes are propagated by, and what the checker looks for.
 *
 * <p>Immutable and safe for several threads.
 */
public sealed interface Declaration permits Reference, DerivedValue, Invariant {
  /**
   * Under which findings are kept and metrics are tagged; from a small set, and the same for as
   * long as findings shall be known again.
   */
  String name();

  /** The tables whose rows decide: who holds locks on them may be about to mend what is seen. */
  List<Table<?>> reads();

  /**
   * How long after it was first seen something may still be mended by a later transaction, as where
   * a parent is written after its children. Zero where both are written in one transaction.
   */
  Duration grace();

  /**
   * The column that says when a row was written last, by which incremental runs find what to look
   * at; empty where every run reads every row.
   */
  Optional<Field<?>> changedAt();
}

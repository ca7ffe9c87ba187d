package dev.pgbelay.reconcile.check;

import dev.pgbelay.batch.chunk.ThrottleSignal;
import java.util.Optional;
import java.util.function.Consumer;
import org.jooq.DSLContext;
import org.jooq.Table;

/**
 * Tells of each reason to wait.
 *
 * @param told may end the wait by what it throws
 */
record BoundedSignal(ThrottleSignal signal, Consumer<String> told) implements ThrottleSignal {
  @Override
  public String name() {
    return signal.name();
  }

  @Override
  public Optional<String> reasonToWait(DSLContext dsl, Table<?> table) {
    Optional<String> reason = signal.reasonToWait(dsl, table);
    reason.ifPresent(text -> told.accept(name() + ": " + text));
    return reason;
  }
}

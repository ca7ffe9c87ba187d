package dev.pgbelay.lock.witness;

import dev.pgbelay.core.observe.BoundValues;
import dev.pgbelay.core.observe.CallSite;
import java.util.OptionalLong;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * One execution, possibly of a batch.
 *
 * @param endsTransaction whether no transaction is open behind it
 */
record Execution(
    String sql,
    BoundValues values,
    boolean endsTransaction,
    OptionalLong updateCount,
    @Nullable Throwable failure,
    Supplier<CallSite> callSite) {}

package dev.pgbelay.core.observe;

import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;

/**
 * One execution of an SQL text.
 *
 * <p>Immutable and safe for several threads.
 *
 * @param session identifies the server's session; the server's process number where it is known
 * @param sql the text as it was handed to JDBC; may hold several statements
 * @param values what was bound to it, for comparing and never for telling
 * @param batchSize how many sets of values were executed; 1 outside a batch
 * @param autoCommit whether the statement was a transaction of its own
 * @param updateCount rows changed, the sum in a batch; empty for a query or where JDBC does not
 *     tell
 * @param failure what the statement failed with, or null
 * @param callSite where in the program it was executed
 */
public record StatementEvent(
    long session,
    String sql,
    BoundValues values,
    int batchSize,
    boolean autoCommit,
    OptionalLong updateCount,
    @Nullable Throwable failure,
    CallSite callSite) {}

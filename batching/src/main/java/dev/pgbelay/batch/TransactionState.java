package dev.pgbelay.batch;

import dev.pgbelay.core.Tx;
import dev.pgbelay.core.internal.SavepointRollbacks;
import java.util.IdentityHashMap;
import java.util.Map;
import java.util.OptionalLong;
import java.util.WeakHashMap;
import org.jspecify.annotations.Nullable;
import org.postgresql.PGConnection;

/**
 * What is known of one transaction of the server's, by whatever number of {@link Tx} it was joined.
 * Used by one thread at a time, as the connection is.
 */
final class TransactionState {
  private static final Map<Tx, TransactionState> BY_TX = new WeakHashMap<>();
  private static final Map<PGConnection, TransactionState> BY_CONNECTION = new WeakHashMap<>();

  private final String began;
  private final SavepointBudget budget = new SavepointBudget();
  private final IdentityHashMap<Shape<?>, Long> checked = new IdentityHashMap<>();

  private TransactionState(String began) {
    this.began = began;
  }

  /** Null until this transaction has been looked at through this object. */
  static @Nullable TransactionState known(Tx tx) {
    synchronized (BY_TX) {
      return BY_TX.get(tx);
    }
  }

  /**
   * @param began the server's transaction_timestamp(), which tells one from the next
   */
  static TransactionState of(Tx tx, PGConnection connection, String began) {
    synchronized (BY_TX) {
      TransactionState state = BY_CONNECTION.get(connection);
      if (state == null || !state.began.equals(began)) {
        state = new TransactionState(began);
        BY_CONNECTION.put(connection, state);
      }
      BY_TX.put(tx, state);
      return state;
    }
  }

  SavepointBudget budget() {
    return budget;
  }

  /** Whether the table is locked against changes of its definition, and is as the shape has it. */
  boolean hasChecked(Shape<?> shape, Tx tx) {
    Long then = checked.get(shape);
    OptionalLong now = rollbacks(tx);
    // A lock ends with the savepoint under which it was taken. Of a joined transaction's savepoints
    // nobody knows.
    return then != null && now.isPresent() && now.getAsLong() == then;
  }

  void check(Shape<?> shape, Tx tx) {
    checked.put(shape, rollbacks(tx).orElse(0));
  }

  private static OptionalLong rollbacks(Tx tx) {
    return SavepointRollbacks.of(tx.dsl().configuration());
  }
}

package dev.pgbelay.core.internal;

import java.util.function.Supplier;
import org.jooq.Configuration;
import org.jspecify.annotations.Nullable;

/**
 * What a module remembers about a transaction for exactly as long as that lasts: it is kept by the
 * transaction itself, so nobody has to be told of its end. Not safe for several threads, as a
 * transaction is not.
 */
public interface TransactionMemory {
  /** What is remembered under this type; made now if there is nothing yet. */
  <T> T remembered(Class<T> type, Supplier<T> first);

  /** Null where another one opened the transaction, and its end is not seen. */
  static @Nullable TransactionMemory of(Configuration configuration) {
    return configuration.connectionProvider() instanceof TransactionMemory memory ? memory : null;
  }
}

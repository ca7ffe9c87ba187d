package dev.pgbelay.core.internal;

import java.util.OptionalLong;
import org.jooq.Configuration;

/**
 * Counts how often the work of a transaction has gone back to one of its savepoints: each time the
 * locks that were taken since the savepoint are given back, and others may have changed what they
 * protected.
 */
public interface SavepointRollbacks {
  /** Those through jOOQ and {@link java.sql.Connection}; not those sent as SQL text. */
  long savepointRollbacks();

  /** Empty where nobody counts them, because another one opened the transaction. */
  static OptionalLong of(Configuration configuration) {
    return configuration.connectionProvider() instanceof SavepointRollbacks counted
        ? OptionalLong.of(counted.savepointRollbacks())
        : OptionalLong.empty();
  }
}

package dev.pgbelay.reconcile.guard;

import dev.pgbelay.core.TransactionException;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.internal.SavepointRollbacks;
import dev.pgbelay.core.internal.TransactionMemory;
import dev.pgbelay.reconcile.Reference;
import java.sql.Connection;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jooq.Configuration;
import org.jooq.ExecuteListenerProvider;
import org.jspecify.annotations.Nullable;

/** What a transaction has checked, for {@link GuardedInserts}. Not safe for several threads. */
final class CheckedParents {
  private final Map<String, Set<List<String>>> keys = new HashMap<>();
  private long rollbacks;

  /** Costs nothing where nobody listens. */
  static void remember(Tx tx, Reference reference, Collection<List<String>> keys) {
    if (keys.isEmpty()) {
      return; // who asked for nothing has not checked anything
    }
    Configuration configuration = tx.dsl().configuration();
    for (ExecuteListenerProvider provider : configuration.executeListenerProviders()) {
      if (provider instanceof GuardedInserts) {
        CheckedParents checked = of(configuration);
        if (checked != null) {
          checked.keys.computeIfAbsent(reference.name(), name -> new HashSet<>()).addAll(keys);
        }
        return;
      }
    }
  }

  /**
   * Of the transaction of this connection, whoever wrapped it: jOOQ's loader makes settings of its
   * own. Null where another one opened it.
   */
  static @Nullable CheckedParents of(Connection connection) {
    try {
      return of(Tx.join(connection).dsl().configuration());
    } catch (TransactionException none) {
      return null;
    }
  }

  /** Null where another one opened the transaction. */
  static @Nullable CheckedParents of(Configuration configuration) {
    TransactionMemory memory = TransactionMemory.of(configuration);
    if (memory == null) {
      return null;
    }
    CheckedParents checked = memory.remembered(CheckedParents.class, CheckedParents::new);
    // A lock that was taken under a savepoint is given back with it.
    long now = SavepointRollbacks.of(configuration).orElse(0);
    if (now != checked.rollbacks) {
      checked.keys.clear();
      checked.rollbacks = now;
    }
    return checked;
  }

  boolean hasAny(String reference) {
    return keys.containsKey(reference);
  }

  boolean has(String reference, List<String> key) {
    return keys.getOrDefault(reference, Set.of()).contains(key);
  }
}

package dev.pgbelay.outbox;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.background.Pass;
import dev.pgbelay.core.internal.DayRing;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Writes down for how long this relay's destinations keep what was delivered, and takes away what
 * is older than any destination keeps: whole days at once, by the database's clock, in a
 * transaction for each. Asks for no grant where nothing is kept. Safe for several processes.
 */
final class PublishedUpkeep {
  private static final TxOptions EMPTYING =
      TxOptions.builder()
          .path("outbox-retention")
          .lockTimeout(Duration.ofSeconds(2))
          // A process that is stopped with a day's lock in its hands must not keep others waiting.
          .setting("idle_in_transaction_session_timeout", "10s")
          .build();

  private final Transactions transactions;
  private final PublishedSql sql;
  private final DayRing ring;
  private final Supplier<Map<Short, Integer>> own;

  /**
   * @param own days by destination, 0 where nothing is kept
   */
  PublishedUpkeep(Transactions transactions, String schema, Supplier<Map<Short, Integer>> own) {
    this.transactions = transactions;
    this.sql = new PublishedSql(schema);
    this.ring = new DayRing(schema, "outbox_published");
    this.own = own;
  }

  /** One day that is in use just now does not keep the others full. */
  Pass pass() throws SQLException {
    List<Integer> expired =
        transactions.run(
            EMPTYING,
            tx -> {
              saySo(tx.connection());
              return expired(tx.connection());
            });
    int emptied = 0;
    @Nullable Exception failed = null;
    for (int slot : expired) {
      try {
        transactions.execute(
            EMPTYING,
            tx -> {
              // Asked again: retentions may have become longer, another may have emptied it, and
              // today may be tomorrow.
              if (expired(tx.connection()).contains(slot)) {
                ring.empty(tx.connection(), slot);
              }
            });
        emptied++;
      } catch (RuntimeException | SQLException e) {
        failed = e;
      }
    }
    if (failed instanceof SQLException refused) {
      throw refused;
    }
    if (failed instanceof RuntimeException refused) {
      throw refused;
    }
    return Pass.worked(emptied);
  }

  private void saySo(Connection connection) throws SQLException {
    Map<Short, Integer> said = sql.retentions(connection);
    for (Map.Entry<Short, Integer> one : new TreeMap<>(own.get()).entrySet()) {
      if (!one.getValue().equals(said.get(one.getKey()))) {
        sql.setRetention(connection, one.getKey(), one.getValue());
      }
    }
  }

  private List<Integer> expired(Connection connection) throws SQLException {
    int longest =
        sql.retentions(connection).values().stream().mapToInt(Integer::intValue).max().orElse(0);
    return ring.expired(connection, longest);
  }
}

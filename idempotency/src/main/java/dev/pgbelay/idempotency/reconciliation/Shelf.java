package dev.pgbelay.idempotency.reconciliation;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.TxWork;
import java.time.Instant;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;

/**
 * Where the provider's records lie until they are compared. Each access is a short transaction that
 * first makes sure that this run is still the one under way, and so that nothing was lost: the
 * tables are empty after a crash. For one thread.
 */
final class Shelf {
  private static final int SWEPT_AT_ONCE = 10_000;

  /** What it writes is worth nothing after a crash. */
  private static final TxOptions OPTIONS =
      TxOptions.forPath("reconciliation").toBuilder().setting("synchronous_commit", "off").build();

  private final Transactions transactions;
  private final RecordSql sql;
  private final String operation;
  private final String step;
  private final UUID run;

  /** The database's time at which it was opened. */
  private final Instant openedAt;

  private Shelf(
      Transactions transactions,
      RecordSql sql,
      String operation,
      String step,
      UUID run,
      Instant openedAt) {
    this.transactions = transactions;
    this.sql = sql;
    this.operation = operation;
    this.step = step;
    this.run = run;
    this.openedAt = openedAt;
  }

  /** Ends an earlier run of the step, and clears away what that left. */
  static Shelf open(Transactions transactions, RecordSql sql, String operation, String step) {
    UUID run = UUID.randomUUID();
    record Opened(Optional<UUID> previous, Instant at) {}
    Opened opened =
        transactions.run(
            OPTIONS,
            tx ->
                new Opened(sql.previous(tx, operation, step), sql.begin(tx, operation, step, run)));
    Shelf shelf = new Shelf(transactions, sql, operation, step, run, opened.at());
    opened.previous().ifPresent(shelf::sweep);
    return shelf;
  }

  private void sweep(UUID of) {
    int swept;
    do {
      swept = transactions.run(OPTIONS, tx -> sql.sweep(tx, of, SWEPT_AT_ONCE));
    } while (swept == SWEPT_AT_ONCE);
  }

  Instant openedAt() {
    return openedAt;
  }

  /** One that is there already is replaced. */
  void put(List<ProviderRecord> page) {
    Map<List<String>, ProviderRecord> once = new LinkedHashMap<>();
    for (ProviderRecord each : page) {
      once.put(List.of(each.providerKey().orElse(""), each.id()), each);
    }
    inside(
        tx -> {
          sql.put(tx.connection(), run, once.values());
          return true;
        });
  }

  List<ProviderRecord> take(Collection<String> providerKeys) {
    return inside(tx -> sql.take(tx.connection(), run, providerKeys));
  }

  List<ProviderRecord> takeRest(int limit) {
    return inside(tx -> sql.takeRest(tx.connection(), run, limit));
  }

  void close() {
    transactions.execute(OPTIONS, tx -> sql.end(tx, operation, step, run));
  }

  private <T> T inside(TxWork<T, RuntimeException> work) {
    return transactions.run(
        OPTIONS,
        tx -> {
          if (!sql.hold(tx, operation, step, run)) {
            throw new PgBelayException(
                "this reconciliation of operation \""
                    + operation
                    + "\", step \""
                    + step
                    + "\" was ended by a younger one, or by a restart of the server; what it has"
                    + " found so far holds, run it again for the rest");
          }
          return work.run(tx);
        });
  }
}

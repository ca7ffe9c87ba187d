package dev.pgbelay.reconcile.repair;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.reconcile.internal.CatalogSql;
import dev.pgbelay.reconcile.internal.TableShape;
import dev.pgbelay.reconcile.repair.UndoSql.Entry;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.UUID;

/**
 * Puts back what a call of {@link Repairs} changed, from the rows as they were, to the byte; and
 * what propagation took away. Immutable and safe for several threads.
 */
public final class UndoLog {
  private static final TxOptions OPTIONS =
      TxOptions.builder()
          .path("reconcile-undo")
          .isolation(TxOptions.Isolation.READ_COMMITTED)
          .deadline(Duration.ofSeconds(30))
          .lockTimeout(Duration.ofSeconds(2))
          .build();

  private final Transactions transactions;
  private final UndoSql sql;

  private UndoLog(Transactions transactions, String schema) {
    this.transactions = transactions;
    this.sql = new UndoSql(schema);
  }

  /** In the schema {@value SchemaInstaller#DEFAULT_SCHEMA}. */
  public static UndoLog of(Transactions transactions) {
    return inSchema(transactions, SchemaInstaller.DEFAULT_SCHEMA);
  }

  public static UndoLog inSchema(Transactions transactions, String schema) {
    return new UndoLog(transactions, schema);
  }

  /**
   * What became of an undo.
   *
   * @param restored rows
   * @param conflicts rows that were left alone, since something else stands there now: a row with
   *     that key, or other values than the repair wrote, or a table with other columns
   */
  public record Undone(long restored, List<String> conflicts) {
    public Undone {
      conflicts = List.copyOf(conflicts);
    }
  }

  /**
   * Puts back every row of a batch that has not been put back, the last one first, each in a
   * transaction of its own with its finding, which is open again then. Safe to repeat.
   */
  public Undone undo(UUID batch) {
    List<String> conflicts = new ArrayList<>();
    long restored = 0;
    for (long id : transactions.run(OPTIONS, tx -> sql.list(tx.dsl(), batch))) {
      Optional<String> conflict = undo(id);
      conflict.ifPresent(conflicts::add);
      restored += conflict.isPresent() ? 0 : 1;
    }
    return new Undone(restored, conflicts);
  }

  private Optional<String> undo(long id) {
    return transactions.run(
        OPTIONS,
        tx -> {
          Optional<Entry> entry = sql.lock(tx.dsl(), id);
          if (entry.isEmpty()) {
            return Optional.of("entry %d: somebody else has put it back".formatted(id));
          }
          Optional<TableShape> shape = CatalogSql.find(tx.dsl(), entry.get().table());
          if (shape.isEmpty()
              || !List.copyOf(shape.get().columns().keySet()).equals(entry.get().columns())) {
            return Optional.of(
                "entry %d: %s has other columns now than %s"
                    .formatted(id, entry.get().table(), entry.get().columns()));
          }
          if (UndoSql.restore(tx.dsl(), entry.get(), shape.get()) != 1) {
            return Optional.of(
                "entry %d: another row stands in %s now; see row_before and row_after"
                    .formatted(id, entry.get().table()));
          }
          sql.mark(tx.dsl(), entry.get());
          return Optional.empty();
        });
  }
}

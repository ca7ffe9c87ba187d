package dev.pgbelay.reconcile.repair;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.internal.MissingTable;
import dev.pgbelay.core.internal.SteadyText;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.reconcile.internal.CatalogSql;
import dev.pgbelay.reconcile.internal.Given;
import dev.pgbelay.reconcile.internal.TableShape;
import dev.pgbelay.reconcile.repair.UndoSql.Entry;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import org.jooq.exception.DataAccessException;
import org.jspecify.annotations.Nullable;

/**
 * Puts back what a call of {@link Repairs} changed, from the rows as they were, to the byte; and
 * what propagation took away. Immutable and safe for several threads.
 */
public final class UndoLog {
  /**
   * What an undo takes away has no children that were not there without it: nothing is captured.
   */
  private static final String UNDOING = "pgbelay.reconcile_undo";

  /** Integrity constraints, and texts that the table's types do not read. */
  private static final Set<String> REFUSALS = Set.of("23", "22");

  private static final TxOptions OPTIONS =
      SteadyText.in(TxOptions.builder())
          .path("reconcile-undo")
          .isolation(TxOptions.Isolation.READ_COMMITTED)
          .setting("row_security", "off")
          .setting(UNDOING, "on")
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

  /** Where the library's tables are in a schema of another name. */
  public static UndoLog inSchema(Transactions transactions, String schema) {
    return new UndoLog(Given.required("undo: transactions", transactions), Given.schema(schema));
  }

  /**
   * What became of an undo.
   *
   * @param restored rows
   * @param conflicts rows that were left alone, since something else stands there now: a row with
   *     that key, or other values than the repair wrote, or a table with other columns; or since a
   *     constraint of the table refuses them
   */
  public record Undone(long restored, List<String> conflicts) {
    public Undone {
      conflicts = List.copyOf(conflicts);
    }
  }

  /**
   * Puts back every row of a batch that has not been put back, the last one first, each in a
   * transaction of its own with its finding, which is open again then. What refers to another one
   * by a foreign key is tried again once that is back. Safe to repeat. Triggers of the application
   * fire, and what they write is not what was there.
   */
  public Undone undo(UUID batch) {
    Given.required("undo: the batch", batch);
    Map<Long, String> conflicts = new LinkedHashMap<>();
    List<Long> left = list(batch);
    long restored = 0;
    long before = -1;
    while (restored > before && !left.isEmpty()) { // what one refers to may have come back since
      before = restored;
      conflicts.clear();
      for (long id : left) {
        undo(id).ifPresent(conflict -> conflicts.put(id, conflict));
      }
      restored += left.size() - conflicts.size();
      left = List.copyOf(conflicts.keySet());
    }
    return new Undone(restored, List.copyOf(conflicts.values()));
  }

  private List<Long> list(UUID batch) {
    try {
      return transactions.run(OPTIONS, tx -> sql.list(tx.dsl(), batch));
    } catch (RuntimeException e) {
      throw MissingTable.explained(e, "undo", "reconcile");
    }
  }

  private Optional<String> undo(long id) {
    try {
      return undoIn(id);
    } catch (DataAccessException e) {
      if (!REFUSALS.contains(e.sqlState().substring(0, 2))) {
        throw e;
      }
      return Optional.of("entry %d: the database refuses it: %s".formatted(id, reason(e)));
    }
  }

  private static @Nullable String reason(DataAccessException e) {
    return e.getCause() == null ? e.getMessage() : e.getCause().getMessage();
  }

  private Optional<String> undoIn(long id) {
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
          if (UndoSql.carriesOthers(tx.dsl(), entry.get(), shape.get())) {
            return Optional.of(
                "entry %d: rows of other tables refer to it by now, which a foreign key would delete or change with it"
                    .formatted(id));
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

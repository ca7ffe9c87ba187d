package dev.pgbelay.lock.witness;

import dev.pgbelay.lock.witness.Piece.Value;
import dev.pgbelay.lock.witness.TableInfo.KeyColumn;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** A lock that a statement asks for, with the catalog's knowledge added. */
sealed interface Wanted {

  /**
   * Locks in one table.
   *
   * @param cause why, where the statement does not say it: a foreign key
   * @param waits false where the statement gives way instead
   * @param ownRows whether the rows are new, so that nobody else can hold them
   * @param deferred whether the lock is taken at COMMIT
   * @param cascadeOf the class whose rows these rows belong to, where they are written with them
   * @param keys the columns that tell the rows apart; empty where they are not known
   * @param rows the values of those columns, row by row
   */
  record InTable(
      WatchedClass lockClass,
      Strength strength,
      String cause,
      boolean waits,
      boolean ownRows,
      boolean deferred,
      @Nullable WatchedClass cascadeOf,
      List<KeyColumn> keys,
      List<List<Value>> rows)
      implements Wanted {
    /** Whether the keys stand in the text, so that each execution means the same rows. */
    boolean isConstant() {
      for (List<Value> row : rows) {
        for (Value value : row) {
          if (value.ordinal() != 0) {
            return false;
          }
        }
      }
      return !rows.isEmpty();
    }
  }

  /** An advisory lock; its class can depend on bound values. */
  record InAdvisory(
      List<@Nullable Value> arguments, Strength strength, boolean waits, boolean ofSession)
      implements Wanted {}

  /** Everything else that changes what is held. */
  record Other(Piece piece) implements Wanted {}
}

package dev.pgbelay.lock;

import dev.pgbelay.core.PgBelayException;
import java.util.List;
import java.util.Map;
import org.jooq.Record;
import org.jooq.Result;

/**
 * What an {@link LockOrder#acquire} came to. Immutable apart from the records.
 *
 * @param locked what this transaction holds now, of what was asked for; those held before included
 * @param missing rows that did not exist, if {@link LockOptions.Missing#REPORT} was said
 * @param skipped what somebody else held, under {@link LockOptions.Policy#SKIP_LOCKED}
 */
public record Acquired(
    List<Resource> locked,
    List<Resource> missing,
    List<Resource> skipped,
    Map<LockClass, Result<? extends Record>> rowsByClass) {

  public Acquired {
    locked = List.copyOf(locked);
    missing = List.copyOf(missing);
    skipped = List.copyOf(skipped);
    rowsByClass = Map.copyOf(rowsByClass);
  }

  /** Whether everything that was asked for is locked. */
  public boolean isComplete() {
    return missing.isEmpty() && skipped.isEmpty();
  }

  /**
   * The locked rows of a class in key order, as they are now that they are locked, with all columns
   * of the table. Empty unless {@link LockOptions#returningRows()} was said.
   *
   * @throws PgBelayException if nothing of this class was read
   */
  public Result<? extends Record> rows(LockClass lockClass) {
    Result<? extends Record> rows = rowsByClass.get(lockClass);
    if (rows == null) {
      throw new PgBelayException(
          "no rows of class '"
              + lockClass.name()
              + "' were read: ask for some of them, and say LockOptions.returningRows()");
    }
    return rows;
  }
}

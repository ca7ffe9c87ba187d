package dev.pgbelay.lock;

import dev.pgbelay.core.PgBelayException;
import java.util.List;
import java.util.Map;
import org.jooq.Record;
import org.jooq.Result;

/** What an {@link LockOrder#acquire} came to. Immutable apart from the records. */
public final class Acquired {
  private final List<Resource> locked;
  private final List<Resource> missing;
  private final List<Resource> skipped;
  private final boolean complete;
  private final Map<LockClass, Result<? extends Record>> rows;

  Acquired(
      List<Resource> locked,
      List<Resource> missing,
      List<Resource> skipped,
      boolean complete,
      Map<LockClass, Result<? extends Record>> rows) {
    this.locked = List.copyOf(locked);
    this.missing = List.copyOf(missing);
    this.skipped = List.copyOf(skipped);
    this.complete = complete;
    this.rows = Map.copyOf(rows);
  }

  /** What this transaction holds now, of what was asked for; those held before included. */
  public List<Resource> locked() {
    return locked;
  }

  /** Rows that did not exist, if {@link LockOptions.Missing#REPORT} was said. */
  public List<Resource> missing() {
    return missing;
  }

  /** What somebody else held, under {@link LockOptions.Policy#SKIP_LOCKED}. */
  public List<Resource> skipped() {
    return skipped;
  }

  /** Whether everything that was asked for is locked, also of missing rows that are not listed. */
  public boolean isComplete() {
    return complete;
  }

  /**
   * The locked rows of a class in key order, as they are now that they are locked, with all columns
   * of the table, where {@link LockOptions#returningRows()} was said.
   *
   * @throws PgBelayException if nothing of this class was read
   */
  public Result<? extends Record> rows(LockClass lockClass) {
    Result<? extends Record> read = rows.get(lockClass);
    if (read == null) {
      throw new PgBelayException(
          "no rows of class '"
              + lockClass.name()
              + "' were read: ask for some of them, and say LockOptions.returningRows()");
    }
    return read;
  }

  @Override
  public String toString() {
    return "Acquired[locked=" + locked + ", missing=" + missing + ", skipped=" + skipped + "]";
  }
}

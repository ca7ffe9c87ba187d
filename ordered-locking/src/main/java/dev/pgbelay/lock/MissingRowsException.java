package dev.pgbelay.lock;

import dev.pgbelay.core.FailureKind;
import dev.pgbelay.core.TransactionException;
import java.util.List;

/**
 * Rows that were to be locked do not exist. Those that do, and what comes before them in the order,
 * are locked until the transaction ends.
 */
public final class MissingRowsException extends TransactionException {
  private static final long serialVersionUID = 1L;
  private static final int SHOWN = 5;

  private final transient List<Resource> missing;

  MissingRowsException(List<Resource> missing) {
    super(
        FailureKind.OTHER,
        missing.size()
            + " of the rows to lock do not exist: "
            + missing.subList(0, Math.min(SHOWN, missing.size()))
            + (missing.size() > SHOWN ? " and more" : "")
            + ". A row that is not there cannot be locked: ask for a named lock where its creation"
            + " is to be guarded, or say LockOptions.missing(REPORT)",
        null);
    this.missing = List.copyOf(missing);
  }

  public List<Resource> missing() {
    return missing == null ? List.of() : missing;
  }
}

package dev.pgbelay.batch.chunk;

import dev.pgbelay.core.PgBelayException;

/**
 * This runner was away for longer than its lease and another one has taken the job over. Of the
 * chunk at which it was noticed nothing is committed; those before it stand.
 */
public final class LeaseLostException extends PgBelayException {
  private static final long serialVersionUID = 1L;

  LeaseLostException(String job) {
    super(
        "job '"
            + job
            + "': another runner has taken it over, because this one had not been heard of for"
            + " longer than its lease. Nothing of this chunk was committed. If the process was not"
            + " stopped, make the lease longer than its longest pause");
  }
}

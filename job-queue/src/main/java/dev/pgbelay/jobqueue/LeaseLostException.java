package dev.pgbelay.jobqueue;

import dev.pgbelay.core.FailureKind;
import dev.pgbelay.core.TransactionException;

/**
 * The job is not this worker's any more: the worker was not heard of for longer than its lease, and
 * the job was handed back; or it was finished or taken away. Nothing was changed. The transaction
 * in which this was thrown cannot be committed, and the handler must stop.
 */
public final class LeaseLostException extends TransactionException {
  private static final long serialVersionUID = 1L;

  private final long jobId;

  LeaseLostException(long jobId) {
    super(
        FailureKind.OTHER,
        "job "
            + jobId
            + " is not this worker's any more: its worker was not heard of for longer than the lease"
            + " and the job was handed back, or somebody finished it. Nothing of this transaction is"
            + " committed; stop the work. If the process was not stopped, make the lease longer than"
            + " its longest pause",
        null);
    this.jobId = jobId;
  }

  /** The job. */
  public long jobId() {
    return jobId;
  }
}

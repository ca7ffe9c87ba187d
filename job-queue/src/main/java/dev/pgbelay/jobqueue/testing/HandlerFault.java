package dev.pgbelay.jobqueue.testing;

/**
 * What happens to handlers in production sooner or later. A handler bears them if its effects are
 * the same afterwards as without.
 */
public enum HandlerFault {
  /**
   * The process is killed when the handler has returned and before that is written: whatever the
   * handler committed stays, and the job runs again, unless the handler had completed it in its own
   * transaction.
   */
  KILLED_BEFORE_ACKNOWLEDGEMENT,
  /**
   * The process is stopped before the handler's first statement, for longer than the lease; another
   * one runs the job to its end; then the first goes on.
   */
  PAUSED_PAST_LEASE,
  /**
   * Both at the same time, on two threads: two processes that each believe that the job is theirs.
   */
  RUN_TWICE
}

package dev.pgbelay.jobqueue;

/**
 * Does the work of one kind of jobs. Called by several threads at once, once for each attempt.
 *
 * <p><b>A job can run more than once</b>, and two attempts of it can overlap: after a worker was
 * lost or stopped, and when the answer to a commit was lost. Effects in this database are made once
 * by {@link JobContext#complete}; effects elsewhere need a key that the other side recognises, such
 * as {@link JobContext#jobId}.
 *
 * @param <P> the payload's type
 */
@FunctionalInterface
public interface JobHandler<P> {
  /**
   * Runs outside of any transaction and holds no connection of the queue's.
   *
   * @return what becomes of the job; null is a failed attempt, except after {@link
   *     JobContext#complete}
   * @throws Exception whatever it throws ends the attempt; {@link RetryPolicy} says what then. An
   *     interrupt means that the worker is being stopped: an attempt that ends by it is handed back
   *     and does not count
   */
  JobOutcome run(JobContext context, P payload) throws Exception;
}

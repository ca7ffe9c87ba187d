package dev.pgbelay.jobqueue.events;

/**
 * Is told what a worker does. It can only watch: an effect that must follow belongs into a job that
 * is enqueued with the business, or into the transaction of {@code complete(tx)}.
 *
 * <p>Called on the worker's own threads, by several at once, after the fact and as often as it
 * happens in this process, so be quick and do not block. Whatever it throws is logged and changes
 * nothing. What a process does not live to tell is not told.
 */
@FunctionalInterface
public interface JobListener {
  void on(JobEvent event);
}

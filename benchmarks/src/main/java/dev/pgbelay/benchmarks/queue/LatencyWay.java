package dev.pgbelay.benchmarks.queue;

/** One way from an enqueue to the start of the job's handler. */
interface LatencyWay {
  /** Makes or empties the tables, and has {@code arrived} run at the start of each job. */
  QueueWay.Workers start(Runnable arrived) throws Exception;

  /** Adds one job in a transaction of its own. */
  void enqueue() throws Exception;
}

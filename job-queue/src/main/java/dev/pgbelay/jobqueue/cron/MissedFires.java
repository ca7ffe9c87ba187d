package dev.pgbelay.jobqueue.cron;

/**
 * What becomes of the moments of a schedule that have passed while nobody looked: no process ran,
 * the database was away, its clock was put forward.
 */
public enum MissedFires {
  /** Nothing, as far as they are longer ago than the schedule's grace. */
  SKIP,
  /** One job for all of them, with the latest moment. */
  ONCE,
  /** A job for each of them, the oldest first. */
  ALL
}

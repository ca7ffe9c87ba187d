package dev.pgbelay.jobqueue.inspect;

import java.util.Locale;

/**
 * What a job is at. An event of a job that ends it has the name of the state in which it ended; see
 * {@link dev.pgbelay.jobqueue.events.JobEvent.Type}.
 */
public enum JobState {
  /** It waits for a worker. */
  READY,
  /** It waits for its time. */
  SCHEDULED,
  /** It has a partition key, and nobody has looked yet whether that is free. */
  ARRIVING,
  /** It waits for another of its partition key. */
  BLOCKED,
  /** A worker has it. */
  RUNNING,
  /** It is finished. */
  DONE,
  /** It is finished without success, by its handler's word. */
  DISCARDED,
  /** It was cancelled. */
  CANCELLED,
  /** It failed for good, and waits for somebody to decide. */
  DEAD;

  /** Whether it is finished: the record of it says so, and it will not come again. */
  public boolean isFinished() {
    return this == DONE || this == DISCARDED || this == CANCELLED;
  }

  /** As the tables have it. */
  String column() {
    return name().toLowerCase(Locale.ROOT);
  }
}

package dev.pgbelay.benchmarks.idempotency;

/** One way of executing a request once. */
@FunctionalInterface
interface Guard {
  /** What the caller can tell its client, and whether this call has done it. */
  enum Done {
    EXECUTED,
    REPLAYED,
    RUNNING
  }

  Done call(Request request) throws Exception;
}

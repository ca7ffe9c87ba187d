package dev.pgbelay.idempotency.testing;

/**
 * What the code of a {@link SimulatedProcess} gets wherever it touches the world after its end. An
 * error and no exception, because no handler of the operation may take it for a failure to be
 * handled; one that does cannot change anything any more.
 */
public final class ProcessKilledError extends Error {
  private static final long serialVersionUID = 1L;

  ProcessKilledError(String process, String boundary) {
    super(process + " was killed " + boundary);
  }
}

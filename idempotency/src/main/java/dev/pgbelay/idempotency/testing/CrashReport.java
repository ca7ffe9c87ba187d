package dev.pgbelay.idempotency.testing;

import dev.pgbelay.core.PgBelayException;
import java.util.List;
import java.util.stream.Collectors;

/**
 * What {@link CrashPoints} found. Immutable and safe for several threads.
 *
 * @param boundaries of the operation, in the order in which it passes them undisturbed
 * @param runs with a fault
 * @param violations empty if the operation is sound
 */
public record CrashReport(List<String> boundaries, int runs, List<Violation> violations) {

  /**
   * Something that must not be.
   *
   * @param boundary where the fault was
   * @param key under which the request was sent
   * @param what in words
   */
  public record Violation(Fault fault, String boundary, String key, String what) {
    @Override
    public String toString() {
      return fault + " " + boundary + ": " + what + " (key " + key + ")";
    }
  }

  /** Copies the lists. */
  public CrashReport {
    boundaries = List.copyOf(boundaries);
    violations = List.copyOf(violations);
  }

  /**
   * For the end of a test.
   *
   * @throws PgBelayException naming all violations
   */
  public void requireSound() {
    if (!violations.isEmpty()) {
      throw new PgBelayException(
          violations.size()
              + " violations in "
              + runs
              + " runs:\n"
              + violations.stream().map(Object::toString).collect(Collectors.joining("\n")));
    }
  }
}

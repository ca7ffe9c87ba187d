package dev.pgbelay.reconcile.check;

import java.time.Instant;
import java.util.Optional;

/**
 * A transaction that held a lock on one of a declaration's tables when candidates were seen, so
 * that it may be about to mend them.
 *
 * @param transaction its virtual transaction id
 * @param pid of its server process; empty for a prepared one
 * @param application that opened it, or the global id of a prepared one
 * @param since when it began, or was prepared; empty where the role may not see it
 */
public record Blocker(
    String transaction, Optional<Integer> pid, String application, Optional<Instant> since) {
  /** For people. */
  @Override
  public String toString() {
    String who =
        pid.map(id -> "process " + id + " (" + application + ")")
            .orElse("prepared transaction '" + application + "'");
    return who + since.map(start -> " since " + start).orElse("");
  }
}

package dev.pgbelay.lock.witness;

import java.time.Duration;
import org.jspecify.annotations.Nullable;

/** What a session's statement may be waiting for, or has waited for until a moment ago. */
final class StatementWait {
  private static final Duration A_WAIT = Duration.ofMillis(5);

  private @Nullable Resolved running;
  private @Nullable Resolved ended;
  private long startNanos;
  private long endNanos;

  void starts(Resolved statement) {
    running = statement;
    startNanos = System.nanoTime();
  }

  /** One that took long may just have been let through by a victim's end. */
  void ends() {
    endNanos = System.nanoTime();
    boolean took = running != null && endNanos - startNanos >= A_WAIT.toNanos();
    ended = took ? running : null;
    running = null;
  }

  /** Null where it runs nothing, and ran nothing long within this moment. */
  @Nullable LockStep asksFor(Duration moment) {
    Resolved asked = running;
    if (asked == null && System.nanoTime() - endNanos < moment.toNanos()) {
      asked = ended;
    }
    return asked == null ? null : asked.firstWanted(null);
  }
}

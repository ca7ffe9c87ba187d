package dev.pgbelay.lock.witness;

import dev.pgbelay.core.observe.CallSite;
import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A transaction that holds row locks longer than the limit, or held them. Everybody who wants those
 * rows waits as long.
 *
 * @param held since the first row was locked
 * @param open whether it still holds them
 * @param locks what it holds, in the order in which it was taken
 * @param end where it was ended; null while it is open
 * @param doing where its thread is now; empty once it has ended
 */
public record LongHold(
    Duration held,
    boolean open,
    List<LockStep> locks,
    @Nullable CallSite end,
    List<StackTraceElement> doing) {
  private static final int FRAMES = 12;

  public LongHold {
    locks = List.copyOf(locks);
    doing = List.copyOf(doing);
  }

  @Override
  public String toString() {
    StringBuilder text = new StringBuilder();
    text.append("row locks ").append(open ? "are" : "were").append(" held for ");
    text.append(held.toMillis()).append(" ms");
    locks.forEach(lock -> text.append("\n    ").append(lock));
    if (end != null) {
      text.append("\n    ended at ").append(end);
    }
    doing.stream().limit(FRAMES).forEach(frame -> text.append("\n    now in ").append(frame));
    return text.toString();
  }
}

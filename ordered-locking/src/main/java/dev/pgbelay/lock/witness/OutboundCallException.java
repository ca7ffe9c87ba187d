package dev.pgbelay.lock.witness;

import dev.pgbelay.core.PgBelayException;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Another service was about to be called while row locks were held. */
public final class OutboundCallException extends PgBelayException {
  private static final long serialVersionUID = 1L;

  private final transient List<LockStep> held;

  OutboundCallException(String target, List<LockStep> held, @Nullable Throwable cause) {
    super(message(target, held), cause);
    this.held = List.copyOf(held);
  }

  private static String message(String target, List<LockStep> held) {
    StringBuilder text = new StringBuilder("'").append(target);
    text.append("' is about to be called while a transaction of this thread ");
    text.append(held.isEmpty() ? "is open that nobody observes" : "holds locks");
    text.append(": whoever wants those rows waits for the answer too. Commit first and call then");
    text.append(", or from tx.afterCommit");
    held.forEach(step -> text.append("\n    holds ").append(step));
    return text.toString();
  }

  /** What is held; empty where the transaction was not observed. */
  public List<LockStep> held() {
    return held;
  }
}

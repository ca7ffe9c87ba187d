package dev.pgbelay.lock.witness;

import static java.util.stream.Collectors.joining;

import dev.pgbelay.core.observe.CallSite;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * One lock as a report tells it. Holds no values: literals of the statement are masked, parameters
 * are not rendered.
 *
 * @param lockClass the table, or the advisory locks of one kind
 * @param mode as one would write it in SQL
 * @param cause what took it where the statement does not say so itself, such as a foreign key; else
 *     empty
 * @param statement the text, masked and cut at 300 characters
 * @param callSite where in the program it was executed; null in a transaction that was not sampled
 */
public record LockStep(
    String lockClass, String mode, String cause, String statement, @Nullable CallSite callSite) {
  private static final int CALLERS = 4;

  @Override
  public String toString() {
    return lockClass
        + " "
        + mode
        + (cause.isEmpty() ? "" : " by " + cause)
        + " at "
        + place()
        + ": "
        + statement;
  }

  /** Who sent the statement is often the same few lines for all; who called them tells more. */
  private String place() {
    if (callSite == null) {
      return "(not sampled)";
    }
    List<StackTraceElement> callers = callSite.callers(CALLERS);
    return callers.isEmpty()
        ? callSite.toString()
        : callers.stream().map(StackTraceElement::toString).collect(joining(" from "));
  }
}

package dev.pgbelay.lock.witness;

import dev.pgbelay.core.observe.CallSite;
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

  @Override
  public String toString() {
    return lockClass
        + " "
        + mode
        + (cause.isEmpty() ? "" : " by " + cause)
        + " at "
        + (callSite == null ? "(not sampled)" : callSite)
        + ": "
        + statement;
  }
}

package dev.pgbelay.lock;

import dev.pgbelay.core.FailureKind;
import dev.pgbelay.core.TransactionException;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * A lock was not to be had within the time given, or at once where no waiting was wanted. {@link
 * #kind()} is {@link FailureKind#LOCK_TIMEOUT} or {@link FailureKind#LOCK_NOT_AVAILABLE}. The
 * transaction is aborted, unless it was a named lock that was not to be waited for.
 *
 * <p>Who stood in the way is known where the order has a monitor ({@link
 * LockOrder.Builder#monitor}) and the wait was long enough to be looked at; after the timeout
 * nobody waits any more, so it cannot be asked then.
 */
public final class LockNotAvailableException extends TransactionException {
  private static final long serialVersionUID = 1L;

  /**
   * A session that stood in the way. What the role of the monitor may not see is empty.
   *
   * @param pid the process of the session on the server; 0 for a prepared transaction
   * @param application its {@code application_name}
   * @param state as {@code pg_stat_activity} has it, such as {@code idle in transaction}
   * @param transactionOpenFor how long its transaction had been open, so at most how long it had
   *     held the lock
   * @param waiting whether it waited for a lock itself
   */
  public record Holder(
      int pid,
      Optional<String> application,
      Optional<String> state,
      Optional<Duration> transactionOpenFor,
      boolean waiting) {
    @Override
    public String toString() {
      return (pid == 0 ? "a prepared transaction" : "pid " + pid)
          + application.filter(name -> !name.isEmpty()).map(name -> " (" + name + ")").orElse("")
          + state.map(what -> ", " + what).orElse("")
          + transactionOpenFor.map(time -> ", in a transaction for " + time).orElse("")
          + (waiting ? ", waiting itself" : "");
    }
  }

  private final String lockClass;
  private final transient List<Holder> holders;

  LockNotAvailableException(
      FailureKind kind,
      String lockClass,
      String message,
      List<Holder> holders,
      @Nullable Throwable cause) {
    super(kind, message + described(holders), cause);
    this.lockClass = lockClass;
    this.holders = List.copyOf(holders);
  }

  private static String described(List<Holder> holders) {
    return holders.isEmpty()
        ? ""
        : ". In the way: "
            + holders.stream().map(Holder::toString).collect(Collectors.joining("; "));
  }

  /** The name of the class of the lock. */
  public String lockClass() {
    return lockClass;
  }

  /** Who stood in the way when it was last looked, holders first; empty where it is not known. */
  public List<Holder> holders() {
    return holders == null ? List.of() : holders;
  }
}

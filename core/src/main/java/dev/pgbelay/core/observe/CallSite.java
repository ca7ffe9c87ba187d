package dev.pgbelay.core.observe;

import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * Where in the program something was done. Taking it costs a walk over the stack without its
 * details; those are worked out when they are asked for. Safe for use by several threads.
 */
public final class CallSite {
  private static final List<String> NOT_THE_CALLER =
      List.of(
          "java.",
          "javax.",
          "jdk.",
          "sun.",
          "com.sun.proxy.",
          "com.zaxxer.hikari.",
          "io.github.resilience4j.",
          "org.postgresql.",
          "org.jooq.",
          "net.ttddyy.",
          "dev.pgbelay.core.",
          "dev.pgbelay.lock.witness.Observed",
          "dev.pgbelay.lock.witness.Watched",
          "org.springframework.");

  /** Classes of this library that send statements for whoever called them. */
  private static final Set<String> ON_BEHALF_OF_THE_CALLER =
      Set.of(
          "dev.pgbelay.lock.Acquisition",
          "dev.pgbelay.lock.HolderSampler",
          "dev.pgbelay.lock.LockCatalog",
          "dev.pgbelay.lock.LockName",
          "dev.pgbelay.lock.LockOrder",
          "dev.pgbelay.lock.LockSql",
          "dev.pgbelay.lock.LockStatements",
          "dev.pgbelay.lock.LockTable",
          "dev.pgbelay.lock.RowLockSql",
          "dev.pgbelay.lock.hotrow.CounterSql",
          "dev.pgbelay.lock.hotrow.GuardedDecrement",
          "dev.pgbelay.lock.hotrow.SlottedCounter",
          "dev.pgbelay.lock.lease.Lease",
          "dev.pgbelay.lock.lease.LeaseLock",
          "dev.pgbelay.lock.lease.LeaseSql",
          "dev.pgbelay.lock.witness.LockTrace");

  private final Throwable trace;

  private CallSite(Throwable trace) {
    this.trace = trace;
  }

  /** The place that is running now. */
  public static CallSite here() {
    return new CallSite(new Throwable("call site"));
  }

  /** All frames, the innermost first. */
  public List<StackTraceElement> frames() {
    return Arrays.asList(trace.getStackTrace());
  }

  /** The innermost frame that is neither of the JDK nor of a driver, pool or library on the way. */
  public Optional<StackTraceElement> frame() {
    return frames().stream().filter(CallSite::isCaller).findFirst();
  }

  /** Up to so many frames like {@link #frame()}, the innermost first: who called, and who them. */
  public List<StackTraceElement> callers(int most) {
    return frames().stream().filter(CallSite::isCaller).limit(most).toList();
  }

  private static boolean isCaller(StackTraceElement frame) {
    String type = frame.getClassName();
    int nested = type.indexOf('$');
    String outer = nested < 0 ? type : type.substring(0, nested);
    return !ON_BEHALF_OF_THE_CALLER.contains(outer)
        && !type.startsWith("dev.pgbelay.testing.ObservedDataSource")
        && NOT_THE_CALLER.stream().noneMatch(type::startsWith);
  }

  /** The frame as it stands in a stack trace, or a word that there is none. */
  @Override
  public String toString() {
    return frame().map(StackTraceElement::toString).orElse("(no frame of the application)");
  }
}

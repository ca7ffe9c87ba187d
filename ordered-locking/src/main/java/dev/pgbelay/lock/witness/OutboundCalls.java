package dev.pgbelay.lock.witness;

import dev.pgbelay.core.FailureKind;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.TransactionException;
import dev.pgbelay.core.Transactions;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.MeterRegistry;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Enforces that no row is kept locked while another service is waited for: whoever wants that row
 * waits as long as the slowest answer takes.
 *
 * <p>A call is marked before it is made. It is held against the caller if a transaction of this
 * thread on an observed {@code DataSource} holds row locks or advisory locks. One that core opened
 * or joined and that nobody observes ({@link Transactions#requireNone()}) is held against the
 * caller too, because its locks are not known. An observed one without locks is not. Calls handed
 * to another thread are not seen.
 *
 * <p>Sends nothing to the database. Safe for several threads; keep one.
 */
public final class OutboundCalls {
  private static final Logger LOG = LoggerFactory.getLogger(OutboundCalls.class);

  private final boolean strict;
  private final @Nullable MeterRegistry registry;

  private OutboundCalls(boolean strict, @Nullable MeterRegistry registry) {
    this.strict = strict;
    this.registry = registry;
  }

  /** Refuses the call with an {@link OutboundCallException}. */
  public static OutboundCalls strict() {
    return new OutboundCalls(true, null);
  }

  /** Logs and counts, and lets the call be made. */
  public static OutboundCalls reporting() {
    return new OutboundCalls(false, null);
  }

  /** The same with metrics. */
  public OutboundCalls meterRegistry(MeterRegistry metrics) {
    return new OutboundCalls(strict, metrics);
  }

  /** The call itself. */
  @FunctionalInterface
  public interface Call<T extends @Nullable Object, X extends Exception> {
    T make() throws X;
  }

  /**
   * Makes {@code call} unless it is refused.
   *
   * @param target the service, for the report and the metric: few distinct names, no addresses of
   *     users
   */
  public <T extends @Nullable Object, X extends Exception> T mark(String target, Call<T, X> call)
      throws X {
    mark(target);
    return call.make();
  }

  /**
   * Says that a call is about to be made.
   *
   * @throws OutboundCallException if this is strict and row locks are held, or may be
   */
  public void mark(String target) {
    if (target.isBlank()) {
      throw new PgBelayException("target is blank: name the service that is called");
    }
    boolean observed = false;
    for (ObservedSession session : ObservedSessions.openOnThisThread()) {
      observed = true;
      if (session.holdsRowLocks()) {
        report(target, "holds", session.steps(), null);
        return;
      }
    }
    if (!observed) {
      try {
        Transactions.requireNone();
      } catch (TransactionException open) {
        if (open.kind() != FailureKind.MISUSE) {
          throw open;
        }
        report(target, "unknown", List.of(), open);
      }
    }
  }

  private void report(
      String target, String locks, List<LockStep> held, @Nullable TransactionException open) {
    if (registry != null) {
      Counter.builder("pgbelay.lock.outbound.calls")
          .description("Calls to other services made, or refused, inside a transaction with locks")
          .tag("target", target)
          .tag("locks", locks)
          .tag("refused", strict ? "yes" : "no")
          .register(registry)
          .increment();
    }
    OutboundCallException report = new OutboundCallException(target, held, open);
    if (strict) {
      throw report;
    }
    LOG.warn("{}", report.getMessage(), report);
  }
}

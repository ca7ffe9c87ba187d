package dev.pgbelay.idempotency.payment;

import dev.pgbelay.core.Transactions;
import io.github.resilience4j.bulkhead.BulkheadFullException;
import io.github.resilience4j.circuitbreaker.CallNotPermittedException;
import io.github.resilience4j.retry.Retry;
import io.github.resilience4j.retry.RetryConfig;
import io.github.resilience4j.timelimiter.TimeLimiter;
import io.github.resilience4j.timelimiter.TimeLimiterConfig;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Calls one provider within its limits. Safe for several threads. */
final class ProviderCaller<T> {
  private static final Logger LOG = LoggerFactory.getLogger(PaymentOperation.class);

  /** So that breaker and retry see a reply that says nothing as the failure that it is. */
  private static final class Undetermined extends Exception {
    private static final long serialVersionUID = 1L;

    Undetermined(String detail) {
      super(detail, null, false, false);
    }
  }

  /** The provider may not answer for the key any more. */
  private static final class WindowClosed extends Exception {
    private static final long serialVersionUID = 1L;

    WindowClosed() {
      super("the provider's key window has closed", null, false, false);
    }
  }

  /**
   * What came of it.
   *
   * @param sent whether the provider may have been asked
   */
  record Called<T>(ProviderReply<T> reply, boolean sent) {}

  private final ProviderLimits limits;
  private final ExecutorService threads;
  private final TimeLimiter timeLimiter;
  private final Retry retry;

  ProviderCaller(String name, ProviderLimits limits, ExecutorService threads) {
    this.limits = limits;
    this.threads = threads;
    this.timeLimiter =
        TimeLimiter.of(
            name,
            TimeLimiterConfig.custom()
                .timeoutDuration(limits.timeLimit())
                .cancelRunningFuture(false)
                .build());
    this.retry =
        Retry.of(
            name,
            RetryConfig.custom()
                .maxAttempts(limits.attempts())
                .waitDuration(limits.pause())
                .retryOnException(ProviderCaller::isWorthAnother)
                .build());
  }

  private static boolean isWorthAnother(Throwable failure) {
    return !(failure instanceof CallNotPermittedException
        || failure instanceof BulkheadFullException
        || failure instanceof RejectedExecutionException
        || failure instanceof WindowClosed
        || failure instanceof InterruptedException);
  }

  /**
   * Calls, and waits for the answer.
   *
   * @param askedFor since the first call for the key; empty if this is it
   * @param late gets the answer of a call that was not waited for to its end
   */
  Called<T> call(
      Callable<ProviderReply<T>> call,
      Optional<Duration> askedFor,
      Consumer<ProviderReply<T>> late) {
    Transactions.requireNone();
    long begin = System.nanoTime();
    AtomicBoolean sent = new AtomicBoolean();
    Callable<ProviderReply<T>> one =
        () -> {
          boolean first = askedFor.isEmpty() && !sent.get();
          Duration before = askedFor.orElse(Duration.ZERO);
          if (!first && !mayRepeat(before.plusNanos(System.nanoTime() - begin))) {
            throw new WindowClosed();
          }
          return once(call, sent, late);
        };
    try {
      return new Called<>(retry.executeCallable(guarded(one)), true);
    } catch (Exception e) {
      return new Called<>(ProviderReply.unknown(noted(e)), sent.get());
    }
  }

  /** Asks what became of an earlier call; not repeated, not counted by the breaker. */
  ProviderReply<T> find(Callable<ProviderReply<T>> query) {
    Transactions.requireNone();
    try {
      return once(query, new AtomicBoolean(), reply -> {});
    } catch (Exception e) {
      return ProviderReply.unknown(noted(e));
    }
  }

  /** Whether a call that begins now is over before the provider forgets the key. */
  boolean mayRepeat(Duration askedFor) {
    return askedFor.plus(limits.timeLimit()).compareTo(limits.keyWindow()) < 0;
  }

  private Callable<ProviderReply<T>> guarded(Callable<ProviderReply<T>> one) {
    return limits
        .circuitBreaker()
        .<Callable<ProviderReply<T>>>map(breaker -> breaker.decorateCallable(one))
        .orElse(one);
  }

  private ProviderReply<T> once(
      Callable<ProviderReply<T>> call, AtomicBoolean sent, Consumer<ProviderReply<T>> late)
      throws Exception {
    limits.bulkhead().acquirePermission();
    AtomicBoolean waitedFor = new AtomicBoolean(true);
    CompletableFuture<ProviderReply<T>> answer = new CompletableFuture<>();
    try {
      threads.execute(() -> answer(call, answer, waitedFor, late));
    } catch (RejectedExecutionException e) {
      limits.bulkhead().onComplete();
      throw e;
    }
    sent.set(true);
    ProviderReply<T> reply;
    try {
      reply = timeLimiter.executeFutureSupplier(() -> answer);
    } catch (TimeoutException | InterruptedException e) {
      if (waitedFor.compareAndSet(true, false)) {
        throw e;
      }
      reply = answer.get(); // it came in this very moment
    }
    if (reply.kind() == ProviderReply.Kind.UNKNOWN) {
      throw new Undetermined(reply.detail());
    }
    return reply;
  }

  /** On a thread of the provider's calls. */
  private void answer(
      Callable<ProviderReply<T>> call,
      CompletableFuture<ProviderReply<T>> answer,
      AtomicBoolean waitedFor,
      Consumer<ProviderReply<T>> late) {
    @Nullable ProviderReply<T> reply = null;
    try {
      reply = call.call();
    } catch (Exception e) {
      answer.completeExceptionally(e);
    } catch (Throwable e) {
      LOG.error("a call of a provider ended with an error, its effect is unknown", e);
      answer.completeExceptionally(new Undetermined(e.getClass().getName()));
    } finally {
      limits.bulkhead().onComplete();
    }
    if (reply == null) {
      answer.completeExceptionally(new Undetermined("no answer"));
    } else {
      answer.complete(reply);
      if (!waitedFor.compareAndSet(true, false)) {
        late.accept(reply);
      }
    }
  }

  /** Without the message of what the caller's code threw: it may hold what nobody should read. */
  private static String noted(Exception failure) {
    if (failure instanceof InterruptedException) {
      Thread.currentThread().interrupt();
    }
    if (failure instanceof Undetermined || failure instanceof WindowClosed) {
      return String.valueOf(failure.getMessage());
    }
    LOG.debug("a call of a provider failed", failure);
    return failure.getClass().getName();
  }
}

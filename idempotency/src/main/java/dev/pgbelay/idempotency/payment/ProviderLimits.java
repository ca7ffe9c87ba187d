package dev.pgbelay.idempotency.payment;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.internal.OptionRange;
import io.github.resilience4j.bulkhead.Bulkhead;
import io.github.resilience4j.circuitbreaker.CircuitBreaker;
import java.time.Duration;
import java.util.Optional;

/**
 * How a provider is called. Immutable and safe for several threads; make one per provider and share
 * it between its steps, which then share its breaker and its bulkhead.
 *
 * @param keyWindow for how long the provider answers a repeated key without acting again. Calls are
 *     repeated only within it, counted from the first one; zero, for a provider without keys, means
 *     never
 * @param timeLimit how long one call is waited for; it goes on behind that, and its late answer is
 *     still used if it is the first
 * @param attempts calls in a row, the first included
 * @param pause between them
 * @param bulkhead bounds the calls at once, those that nobody waits for any more included
 * @param circuitBreaker where it is open, nothing is sent
 */
public record ProviderLimits(
    Duration keyWindow,
    Duration timeLimit,
    int attempts,
    Duration pause,
    Bulkhead bulkhead,
    Optional<CircuitBreaker> circuitBreaker) {

  /**
   * Checks the parts.
   *
   * @throws PgBelayException naming the option, its value and its range
   */
  public ProviderLimits {
    OptionRange.require("keyWindow", keyWindow, Duration.ZERO, Duration.ofDays(3650));
    OptionRange.require("timeLimit", timeLimit, Duration.ofMillis(10), Duration.ofMinutes(10));
    OptionRange.require("attempts", attempts, 1, 20);
    OptionRange.require("pause", pause, Duration.ofMillis(1), Duration.ofMinutes(1));
  }

  /**
   * Begins with the two that only the provider's documentation can tell.
   *
   * @param name of the provider, for its bulkhead
   */
  public static Builder builder(String name, Duration keyWindow, Duration timeLimit) {
    return new Builder(name, keyWindow, timeLimit);
  }

  /** Not safe for several threads. */
  public static final class Builder {
    private final String name;
    private final Duration keyWindow;
    private final Duration timeLimit;
    private int attempts = 2;
    private Duration pause = Duration.ofMillis(200);
    private Optional<Bulkhead> bulkhead = Optional.empty();
    private Optional<CircuitBreaker> circuitBreaker = Optional.empty();

    private Builder(String name, Duration keyWindow, Duration timeLimit) {
      this.name = name;
      this.keyWindow = keyWindow;
      this.timeLimit = timeLimit;
    }

    /** Calls in a row, 1 to 20, and the pause between them; 2 and 200 ms unless said. */
    public Builder attempts(int most, Duration between) {
      this.attempts = most;
      this.pause = between;
      return this;
    }

    /**
     * Resilience4j's; its own {@code maxWaitDuration} holds. Its default, 25 calls, unless said.
     */
    public Builder bulkhead(Bulkhead own) {
      this.bulkhead = Optional.of(own);
      return this;
    }

    /** Resilience4j's; none unless said. Unknown outcomes count as failures, refusals do not. */
    public Builder circuitBreaker(CircuitBreaker own) {
      this.circuitBreaker = Optional.of(own);
      return this;
    }

    /**
     * Checks the options.
     *
     * @throws PgBelayException naming the option, its value and its range
     */
    public ProviderLimits build() {
      return new ProviderLimits(
          keyWindow,
          timeLimit,
          attempts,
          pause,
          bulkhead.orElseGet(() -> Bulkhead.ofDefaults(name)),
          circuitBreaker);
    }
  }
}

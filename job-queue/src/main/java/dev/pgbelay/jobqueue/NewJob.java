package dev.pgbelay.jobqueue;

import dev.pgbelay.core.PgBelayException;
import java.time.Duration;
import java.time.Instant;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/**
 * A job to be enqueued; begin with {@link JobKind#job}. Immutable, and as safe for several threads
 * as its payload is.
 *
 * @param kind what is to be done
 * @param payload what with; encoded when the job is enqueued
 * @param queue which workers may have it, {@code default} unless said
 * @param runAt not before this moment; as soon as possible unless said. One that has passed makes
 *     the job as old as that
 * @param delay not before so much time after the enqueue, by the database's clock; none unless said
 * @param priority how much longer than others it counts as having waited, up to a year to either
 *     side, whole seconds; none unless said. Jobs run in the order of their waiting time, so a job
 *     with one hour overtakes what came within the last hour and never starves what is older
 * @param maxAttempts how often it is tried before it becomes a dead letter, 1 to 1,000; 10 unless
 *     said
 * @param headers texts that travel with it, such as a trace context; not secret, not in any log
 * @param <P> the payload's type
 */
public record NewJob<P>(
    JobKind<P> kind,
    P payload,
    String queue,
    Optional<Instant> runAt,
    Duration delay,
    Duration priority,
    int maxAttempts,
    Map<String, String> headers) {
  /** The queue of jobs that name none. */
  public static final String DEFAULT_QUEUE = "default";

  private static final int DEFAULT_ATTEMPTS = 10;

  /**
   * @throws PgBelayException naming the option, its value and its range
   */
  public NewJob {
    if (!queue.equals(DEFAULT_QUEUE)) {
      Options.requireName("queue", queue);
    }
    Options.require("delay", delay, Duration.ZERO, Options.LONGEST_DELAY);
    Options.require(
        "priority", priority, Options.LARGEST_PRIORITY.negated(), Options.LARGEST_PRIORITY);
    Options.require("maxAttempts", maxAttempts, 1, 1_000);
    if (runAt.isPresent() && !delay.isZero()) {
      throw new PgBelayException(
          "runAt is " + runAt.get() + " and delay is " + delay + ": give one of the two");
    }
    runAt.ifPresent(NewJob::requireStorable);
    if (headers.isEmpty()) {
      headers = Map.of();
    } else {
      Options.requireHeaders(headers);
      headers = Collections.unmodifiableMap(new LinkedHashMap<>(headers));
    }
  }

  static void requireStorable(Instant at) {
    Instant least = Instant.parse("1970-01-01T00:00:00Z");
    Instant most = Instant.parse("2200-01-01T00:00:00Z");
    if (at.isBefore(least) || at.isAfter(most)) {
      throw new PgBelayException("runAt must be between " + least + " and " + most + ", is " + at);
    }
  }

  static <P> NewJob<P> of(JobKind<P> kind, P payload) {
    return new NewJob<>(
        kind,
        payload,
        DEFAULT_QUEUE,
        Optional.empty(),
        Duration.ZERO,
        Duration.ZERO,
        DEFAULT_ATTEMPTS,
        Map.of());
  }

  /** This job in another queue. */
  public NewJob<P> withQueue(String name) {
    return new NewJob<>(kind, payload, name, runAt, delay, priority, maxAttempts, headers);
  }

  /** This job not before that moment, instead of any delay. */
  public NewJob<P> withRunAt(Instant at) {
    return new NewJob<>(
        kind, payload, queue, Optional.of(at), Duration.ZERO, priority, maxAttempts, headers);
  }

  /** This job so much later, instead of at any moment given before. */
  public NewJob<P> withDelay(Duration time) {
    return new NewJob<>(
        kind, payload, queue, Optional.empty(), time, priority, maxAttempts, headers);
  }

  /** This job with a head start, or behind others if it is negative. */
  public NewJob<P> withPriority(Duration headStart) {
    return new NewJob<>(kind, payload, queue, runAt, delay, headStart, maxAttempts, headers);
  }

  /** This job with so many attempts in all. */
  public NewJob<P> withMaxAttempts(int attempts) {
    return new NewJob<>(kind, payload, queue, runAt, delay, priority, attempts, headers);
  }

  /** This job with one more header, or another value of one. */
  public NewJob<P> withHeader(String name, String value) {
    Map<String, String> more = new LinkedHashMap<>(headers);
    more.put(name, value);
    return new NewJob<>(kind, payload, queue, runAt, delay, priority, maxAttempts, more);
  }

  /** Whether everything but the payload is the same. */
  boolean isLike(NewJob<?> other) {
    return kind.name().equals(other.kind.name())
        && queue.equals(other.queue)
        && runAt.equals(other.runAt)
        && delay.equals(other.delay)
        && priority.equals(other.priority)
        && maxAttempts == other.maxAttempts
        && headers.equals(other.headers);
  }

  /** Without payload and headers' values. */
  @Override
  public String toString() {
    return "NewJob[" + kind.name() + " in queue " + queue + "]";
  }
}

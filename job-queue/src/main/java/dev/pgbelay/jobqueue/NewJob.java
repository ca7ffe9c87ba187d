package dev.pgbelay.jobqueue;

import dev.pgbelay.core.PgBelayException;
import java.time.Duration;
import java.time.Instant;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

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
 *     side, fractions of a second are dropped; none unless said. Jobs run in the order of their
 *     waiting time, so a job with one hour overtakes what came within the last hour and never
 *     starves what is older
 * @param maxAttempts how often it is tried before it becomes a dead letter, 1 to 1,000; 10 unless
 *     said
 * @param deadline how long one attempt may take, 100 ms to 1 day; what its worker says of the kind
 *     unless said
 * @param partitionKey jobs of a queue with the same key run one after the other, in the order of
 *     their waiting time, or so many at once as was said of the queue; up to 255 characters
 * @param unique under which key there is one such job of its kind at most, and how long
 * @param tags up to 16 words of 63 characters by which somebody finds it
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
    Optional<Duration> deadline,
    Optional<String> partitionKey,
    Optional<UniqueKey> unique,
    Set<String> tags,
    Map<String, String> headers) {
  /** The queue of jobs that name none. */
  public static final String DEFAULT_QUEUE = "default";

  static final int DEFAULT_ATTEMPTS = 10;

  /**
   * A key of which there is one job at most within the kind.
   *
   * @param key up to 255 characters
   * @param scope how long the job has it
   */
  public record UniqueKey(String key, UniqueScope scope) {
    /**
     * @throws PgBelayException if the key is empty, too long or holds a NUL
     */
    public UniqueKey {
      Options.requireKey("the unique key", key);
    }
  }

  /**
   * How long a job has its unique key. Immutable.
   *
   * @param holds what the job must be doing
   * @param period from the enqueue on, whatever the job does: 1 s to a year
   */
  public record UniqueScope(While holds, Optional<Duration> period) {
    /** What a job that has its key must be doing. */
    public enum While {
      /** It waits, also for its next attempt. */
      WAITING,
      /** It waits or runs. */
      UNFINISHED,
      /** The period alone decides. */
      NOTHING
    }

    /**
     * @throws PgBelayException if the period is out of its range
     */
    public UniqueScope {
      period.ifPresent(
          time -> Options.require("period", time, Duration.ofSeconds(1), Options.LARGEST_PRIORITY));
    }

    /**
     * While the job waits. Whoever enqueues another is told of the one that waits, and that one
     * does not begin before this transaction has ended: so it sees what this transaction wrote.
     */
    public static UniqueScope whileWaiting() {
      return new UniqueScope(While.WAITING, Optional.empty());
    }

    /**
     * While the job waits or runs; over once it is done, discarded, cancelled or a dead letter.
     * What is enqueued in vain may not be seen by the job that runs.
     */
    public static UniqueScope whileUnfinished() {
      return new UniqueScope(While.UNFINISHED, Optional.empty());
    }

    /** For so long after the enqueue, by the database's clock. */
    public static UniqueScope forPeriod(Duration time) {
      return new UniqueScope(While.NOTHING, Optional.of(time));
    }

    /** This scope, and at least for so long after the enqueue. */
    public UniqueScope andFor(Duration time) {
      return new UniqueScope(holds, Optional.of(time));
    }
  }

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
    deadline.ifPresent(time -> Options.requireDeadline("deadline", time));
    partitionKey.ifPresent(key -> Options.requireKey("the partition key", key));
    if (tags.isEmpty()) {
      tags = Set.of();
    } else {
      Options.requireTags(tags);
      tags = Collections.unmodifiableSet(new LinkedHashSet<>(tags));
    }
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
    return new NewJobParts<>(kind, payload).job();
  }

  /** This job in another queue. */
  public NewJob<P> withQueue(String name) {
    NewJobParts<P> parts = new NewJobParts<>(this);
    parts.queue = name;
    return parts.job();
  }

  /** This job not before that moment, instead of any delay. */
  public NewJob<P> withRunAt(Instant at) {
    NewJobParts<P> parts = new NewJobParts<>(this);
    parts.runAt = Optional.of(at);
    parts.delay = Duration.ZERO;
    return parts.job();
  }

  /** This job so much later, instead of at any moment given before. */
  public NewJob<P> withDelay(Duration time) {
    NewJobParts<P> parts = new NewJobParts<>(this);
    parts.runAt = Optional.empty();
    parts.delay = time;
    return parts.job();
  }

  /** This job with a head start, or behind others if it is negative. */
  public NewJob<P> withPriority(Duration headStart) {
    NewJobParts<P> parts = new NewJobParts<>(this);
    parts.priority = headStart;
    return parts.job();
  }

  /** This job with so many attempts in all. */
  public NewJob<P> withMaxAttempts(int attempts) {
    NewJobParts<P> parts = new NewJobParts<>(this);
    parts.maxAttempts = attempts;
    return parts.job();
  }

  /**
   * This job with a deadline for each of its attempts, instead of the one of its kind. After it the
   * handler's thread is interrupted.
   */
  public NewJob<P> withDeadline(Duration ofAttempt) {
    NewJobParts<P> parts = new NewJobParts<>(this);
    parts.deadline = Optional.of(ofAttempt);
    return parts.job();
  }

  /**
   * This job one after the other with those of the same key in its queue. While it waits for its
   * next attempt, those behind it wait too.
   */
  public NewJob<P> withPartitionKey(String key) {
    NewJobParts<P> parts = new NewJobParts<>(this);
    parts.partitionKey = Optional.of(key);
    return parts.job();
  }

  /** This job only if no other of its kind has the key; enqueue it with {@link JobQueue#offer}. */
  public NewJob<P> withUniqueKey(String key, UniqueScope scope) {
    NewJobParts<P> parts = new NewJobParts<>(this);
    parts.unique = Optional.of(new UniqueKey(key, scope));
    return parts.job();
  }

  /** This job with one more tag. */
  public NewJob<P> withTag(String tag) {
    NewJobParts<P> parts = new NewJobParts<>(this);
    parts.tags = new LinkedHashSet<>(tags);
    parts.tags.add(tag);
    return parts.job();
  }

  /** This job with one more header, or another value of one. */
  public NewJob<P> withHeader(String name, String value) {
    NewJobParts<P> parts = new NewJobParts<>(this);
    parts.headers = new LinkedHashMap<>(headers);
    parts.headers.put(name, value);
    return parts.job();
  }

  /** Whether it has none of what most jobs lack: the fast statements know nothing of that. */
  boolean isPlain() {
    return deadline.isEmpty() && partitionKey.isEmpty() && unique.isEmpty() && tags.isEmpty();
  }

  /** Whether everything but the payload is the same; both are plain. */
  boolean isLike(NewJob<?> other) {
    return kind.name().equals(other.kind.name())
        && queue.equals(other.queue)
        && runAt.equals(other.runAt)
        && delay.equals(other.delay)
        && priority.equals(other.priority)
        && maxAttempts == other.maxAttempts
        && headers.equals(other.headers);
  }

  /** Without payload, keys and headers' values. */
  @Override
  public String toString() {
    return "NewJob[" + kind.name() + " in queue " + queue + "]";
  }
}

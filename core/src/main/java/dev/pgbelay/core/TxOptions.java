package dev.pgbelay.core;

import java.time.Duration;
import java.util.Collections;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * How one transaction is to be run; make them with {@link #builder()}, whose methods say what each
 * option does, and keep them as constants. Immutable and safe for several threads. Isolation,
 * settings and deadline travel to the server together in one message when the transaction begins;
 * with none of them asked for, that message is not sent at all.
 *
 * @param path the name of the code path, {@code default} unless said
 * @param isolation the isolation level; empty, the default, for the session's own
 * @param readOnly whether the transaction may only read; false unless said
 * @param settings server settings for this transaction alone, in the order they are set; none
 *     unless said
 * @param deadline the time for waiting, work and retries together, 1 ms to 24 h; none unless said.
 *     {@link Builder#deadline} says what it cannot cut short
 * @param lockTimeout the longest wait for any one lock, 1 ms to 24 h; unless said what remains of
 *     the deadline, or the session's own
 * @param nesting what happens inside a transaction of the same {@code DataSource}; {@code REFUSE}
 *     unless said
 * @param resolveOutcome how long a lost COMMIT is looked for, 1 ms to 24 h; unless said not at all,
 *     and it is reported as unknown at once
 * @param retry when the work is run again; empty, the default, for the policy of the {@link
 *     Transactions}
 */
public record TxOptions(
    String path,
    Optional<Isolation> isolation,
    boolean readOnly,
    Map<String, String> settings,
    Optional<Duration> deadline,
    Optional<Duration> lockTimeout,
    Nesting nesting,
    Optional<Duration> resolveOutcome,
    Optional<Retry> retry) {

  /** SQL's isolation levels, without the one that PostgreSQL does not have. */
  public enum Isolation {
    READ_COMMITTED,
    REPEATABLE_READ,
    SERIALIZABLE
  }

  /** What happens when this thread already has a transaction on the same {@code DataSource}. */
  public enum Nesting {
    /** An error that names both paths. A second connection is never taken behind one's back. */
    REFUSE,
    /**
     * The work runs in the outer transaction, which alone commits. If it throws, and the exception
     * is swallowed outside, the outer one is rolled back all the same ({@link
     * TransactionAbortedException}), unless a savepoint around the inner run was rolled back to.
     */
    JOIN,
    /**
     * A transaction of its own on a second connection, said aloud: it commits even if the outer one
     * does not, cannot see what the outer one wrote, and can wait for it for ever. Its failure says
     * nothing of the outer one, which is not retried for it. Give it a path of its own: inside its
     * own path's bulkhead it would wait for itself.
     */
    INDEPENDENT
  }

  private static final TxOptions DEFAULTS = builder().build();

  /**
   * @throws PgBelayException naming the option, its value and its range
   */
  public TxOptions {
    OptionRules.requirePath(path);
    settings = Collections.unmodifiableMap(new LinkedHashMap<>(settings));
    settings.keySet().forEach(OptionRules::requireSetting);
    deadline.ifPresent(time -> OptionRules.requireTime("deadline", time));
    lockTimeout.ifPresent(time -> OptionRules.requireTime("lockTimeout", time));
    resolveOutcome.ifPresent(time -> OptionRules.requireTime("resolveOutcome", time));
    if (readOnly && resolveOutcome.isPresent()) {
      throw new PgBelayException(
          "resolveOutcome needs a transaction id, which a readOnly transaction cannot have;"
              + " drop one of the two");
    }
  }

  /** The options that hold where none are given: those of the components' descriptions. */
  public static TxOptions defaults() {
    return DEFAULTS;
  }

  /**
   * Options of the path {@code name}, and defaults otherwise.
   *
   * @throws PgBelayException if the name is not fit for a path
   */
  public static TxOptions forPath(String name) {
    return builder().path(name).build();
  }

  /** A builder that starts from the defaults. */
  public static Builder builder() {
    return new Builder();
  }

  /** A builder that starts from these options. */
  public Builder toBuilder() {
    Builder builder = new Builder();
    builder.path = path;
    builder.isolation = isolation.orElse(null);
    builder.readOnly = readOnly;
    builder.settings.putAll(settings);
    builder.deadline = deadline.orElse(null);
    builder.lockTimeout = lockTimeout.orElse(null);
    builder.nesting = nesting;
    builder.resolveOutcome = resolveOutcome.orElse(null);
    builder.retry = retry.orElse(null);
    return builder;
  }

  /** Without the values of settings, which may be secrets. */
  @Override
  public String toString() {
    StringBuilder text = new StringBuilder("TxOptions[path=").append(path);
    isolation.ifPresent(level -> text.append(", isolation=").append(level));
    text.append(readOnly ? ", readOnly" : "");
    text.append(settings.isEmpty() ? "" : ", settings=" + settings.keySet());
    deadline.ifPresent(time -> text.append(", deadline=").append(time));
    lockTimeout.ifPresent(time -> text.append(", lockTimeout=").append(time));
    text.append(", nesting=").append(nesting);
    resolveOutcome.ifPresent(time -> text.append(", resolveOutcome=").append(time));
    retry.ifPresent(policy -> text.append(", retry=").append(policy));
    return text.append(']').toString();
  }

  /**
   * When and how often the whole work is run again. Never after {@link Tx#noRetryAfterThis()}, and
   * never after an outcome that is unknown. Immutable and safe for several threads.
   *
   * @param maxAttempts runs in all, the first included, 1 to 100; 4 by default
   * @param maxElapsed no run starts later than this after the first, at least 1 ms, 10 s by
   *     default; the transaction's deadline, if shorter, holds as well
   * @param firstPause the mean pause before the second run, at least 1 ms, 20 ms by default; it
   *     doubles from run to run and is spread by half of itself to either side
   * @param maxPause the longest mean pause, at least {@code firstPause}; 1 s by default
   * @param kinds the failures that are retried, each of which must be known to have changed
   *     nothing; by default those that {@link FailureKind#isRetryable()} names
   */
  public record Retry(
      int maxAttempts,
      Duration maxElapsed,
      Duration firstPause,
      Duration maxPause,
      Set<FailureKind> kinds) {
    private static final Retry DEFAULTS =
        new Retry(
            4,
            Duration.ofSeconds(10),
            Duration.ofMillis(20),
            Duration.ofSeconds(1),
            retryableKinds());

    /**
     * @throws PgBelayException naming the option, its value and its range
     */
    public Retry {
      if (maxAttempts < 1 || maxAttempts > 100) {
        throw new PgBelayException("maxAttempts must be between 1 and 100, is " + maxAttempts);
      }
      OptionRules.requireAtLeast("maxElapsed", maxElapsed, Duration.ofMillis(1));
      OptionRules.requireAtLeast("firstPause", firstPause, Duration.ofMillis(1));
      OptionRules.requireAtLeast("maxPause", maxPause, firstPause);
      kinds = Set.copyOf(kinds);
      for (FailureKind kind : kinds) {
        if (kind.fate() == FailureKind.Fate.UNKNOWN) {
          throw new PgBelayException(
              kind + " cannot be retried: the transaction may have been committed");
        }
      }
    }

    /** Four runs within ten seconds of the kinds that {@link FailureKind#isRetryable()} names. */
    public static Retry defaults() {
      return DEFAULTS;
    }

    /** One run. */
    public static Retry none() {
      return defaults().withMaxAttempts(1);
    }

    /**
     * This policy with so many runs in all, the first included; 1 is no retry.
     *
     * @throws PgBelayException outside of 1 to 100
     */
    public Retry withMaxAttempts(int attempts) {
      return new Retry(attempts, maxElapsed, firstPause, maxPause, kinds);
    }

    /**
     * This policy with no run started later than this after the first one. A run that has started
     * is not cut by it: that is what {@link Builder#deadline} does.
     *
     * @throws PgBelayException below 1 ms
     */
    public Retry withMaxElapsed(Duration elapsed) {
      return new Retry(maxAttempts, elapsed, firstPause, maxPause, kinds);
    }

    /**
     * This policy with mean pauses that double from {@code first} up to {@code longest}.
     *
     * @throws PgBelayException if {@code first} is below 1 ms or above {@code longest}
     */
    public Retry withPauses(Duration first, Duration longest) {
      return new Retry(maxAttempts, maxElapsed, first, longest, kinds);
    }

    /**
     * This policy for these kinds and no others, in place of those it had.
     *
     * @throws PgBelayException for a kind that leaves open whether the transaction was committed
     */
    public Retry withKinds(Set<FailureKind> retried) {
      return new Retry(maxAttempts, maxElapsed, firstPause, maxPause, retried);
    }

    private static Set<FailureKind> retryableKinds() {
      Set<FailureKind> kinds = EnumSet.noneOf(FailureKind.class);
      for (FailureKind kind : FailureKind.values()) {
        if (kind.isRetryable()) {
          kinds.add(kind);
        }
      }
      return kinds;
    }
  }

  /** Not safe for several threads. {@link #build()} checks, and may be called more than once. */
  public static final class Builder {
    private String path = "default";
    private @Nullable Isolation isolation;
    private boolean readOnly;
    private final Map<String, String> settings = new LinkedHashMap<>();
    private @Nullable Duration deadline;
    private @Nullable Duration lockTimeout;
    private Nesting nesting = Nesting.REFUSE;
    private @Nullable Duration resolveOutcome;
    private @Nullable Retry retry;

    private Builder() {}

    /**
     * The name of the code path: it selects the bulkhead, tags the metrics and stands in every
     * error. Up to 63 letters, digits, dots, dashes and underscores; few distinct names.
     */
    public Builder path(String name) {
      this.path = name;
      return this;
    }

    /** Without it the session's default holds, which nearly everywhere is READ COMMITTED. */
    public Builder isolation(Isolation level) {
      this.isolation = level;
      return this;
    }

    /**
     * A read-only transaction; costs no round trip. It is announced through {@link
     * java.sql.Connection#setReadOnly}, so a routing {@code DataSource} sees it too.
     */
    public Builder readOnly(boolean only) {
      this.readOnly = only;
      return this;
    }

    /**
     * A server setting for this transaction alone, as {@code SET LOCAL}: a tenant for row level
     * security, {@code work_mem}, {@code role}. The value is bound, never spliced into text.
     */
    public Builder setting(String name, String value) {
      settings.put(name, value);
      return this;
    }

    /**
     * The time for the bulkhead, every statement and the retries together. What remains becomes
     * {@code statement_timeout} and {@code lock_timeout}, set again when less than half of what was
     * set is left, and {@code transaction_timeout} from PostgreSQL 17 on. 1 ms to 24 h.
     *
     * <p>It counts the wait for a connection, but cannot cut it short: that ends by the pool's own
     * timeout (HikariCP's {@code connectionTimeout}, 30 s unless set), which should be shorter.
     * COMMIT itself is bounded by the driver's {@code socketTimeout} alone.
     */
    public Builder deadline(Duration time) {
      this.deadline = time;
      return this;
    }

    /** The longest wait for any one lock. 1 ms to 24 h. */
    public Builder lockTimeout(Duration time) {
      this.lockTimeout = time;
      return this;
    }

    /** What happens inside another transaction of this thread on the same {@code DataSource}. */
    public Builder nesting(Nesting choice) {
      this.nesting = choice;
      return this;
    }

    /**
     * When the connection dies during COMMIT, ask the server on another connection what became of
     * the transaction, for at most {@code wait} (1 ms to 24 h). Committed: the caller gets its
     * result. Aborted: it may be retried. Anything else, a changed timeline included: {@link
     * OutcomeUnknownException}.
     *
     * <p>Costs: the message at the beginning, and a transaction id even for a transaction that only
     * reads. Not for nodes in recovery.
     */
    public Builder resolveOutcome(Duration wait) {
      this.resolveOutcome = wait;
      return this;
    }

    /** In place of the policy of the {@link Transactions}. */
    public Builder retry(Retry policy) {
      this.retry = policy;
      return this;
    }

    /**
     * Checks the options.
     *
     * @throws PgBelayException naming the option, its value and its range
     */
    public TxOptions build() {
      return new TxOptions(
          path,
          Optional.ofNullable(isolation),
          readOnly,
          settings,
          Optional.ofNullable(deadline),
          Optional.ofNullable(lockTimeout),
          nesting,
          Optional.ofNullable(resolveOutcome),
          Optional.ofNullable(retry));
    }
  }
}

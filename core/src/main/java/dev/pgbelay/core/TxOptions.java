package dev.pgbelay.core;

import java.time.Duration;
import java.util.Collections;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * How one transaction is to be run. Immutable and safe for several threads; keep them as constants.
 * Isolation, settings and deadline travel to the server together in one message when the
 * transaction begins; with none of them asked for, that message is not sent at all.
 */
public final class TxOptions {
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
    /** The work runs in the outer transaction, which alone commits. */
    JOIN,
    /**
     * A transaction of its own on a second connection, said aloud: it commits even if the outer one
     * does not, cannot see what the outer one wrote, and can wait for it for ever.
     */
    INDEPENDENT
  }

  private static final TxOptions DEFAULTS = builder().build();

  private final String path;
  private final @Nullable Isolation isolation;
  private final boolean readOnly;
  private final Map<String, String> settings;
  private final @Nullable Duration deadline;
  private final @Nullable Duration lockTimeout;
  private final Nesting nesting;
  private final @Nullable Duration outcomeWait;
  private final @Nullable Retry retry;

  private TxOptions(Builder builder) {
    this.path = builder.path;
    this.isolation = builder.isolation;
    this.readOnly = builder.readOnly;
    this.settings = Collections.unmodifiableMap(new LinkedHashMap<>(builder.settings));
    this.deadline = builder.deadline;
    this.lockTimeout = builder.lockTimeout;
    this.nesting = builder.nesting;
    this.outcomeWait = builder.outcomeWait;
    this.retry = builder.retry;
  }

  public static TxOptions defaults() {
    return DEFAULTS;
  }

  /** Options of the path {@code name} and defaults otherwise. */
  public static TxOptions path(String name) {
    return builder().path(name).build();
  }

  public static Builder builder() {
    return new Builder();
  }

  /** A builder that starts from these options. */
  public Builder toBuilder() {
    Builder builder = new Builder();
    builder.path = path;
    builder.isolation = isolation;
    builder.readOnly = readOnly;
    builder.settings.putAll(settings);
    builder.deadline = deadline;
    builder.lockTimeout = lockTimeout;
    builder.nesting = nesting;
    builder.outcomeWait = outcomeWait;
    builder.retry = retry;
    return builder;
  }

  public String path() {
    return path;
  }

  public Optional<Isolation> isolation() {
    return Optional.ofNullable(isolation);
  }

  public boolean isReadOnly() {
    return readOnly;
  }

  public Map<String, String> settings() {
    return settings;
  }

  public Optional<Duration> deadline() {
    return Optional.ofNullable(deadline);
  }

  public Optional<Duration> lockTimeout() {
    return Optional.ofNullable(lockTimeout);
  }

  public Nesting nesting() {
    return nesting;
  }

  /** How long a lost COMMIT is looked for; empty when it is reported as unknown at once. */
  public Optional<Duration> outcomeWait() {
    return Optional.ofNullable(outcomeWait);
  }

  /** The retry of this transaction, where it differs from that of its {@link Transactions}. */
  public Optional<Retry> retry() {
    return Optional.ofNullable(retry);
  }

  /**
   * When and how often the whole work is run again. Never after {@link Tx#noRetryAfterThis()}, and
   * never after an outcome that is unknown.
   *
   * @param maxAttempts runs in all, the first included, 1 to 100
   * @param maxElapsed no run starts later than this after the first; the transaction's deadline, if
   *     shorter, holds as well
   * @param firstPause the mean pause before the second run; it doubles from run to run and is
   *     spread by half of itself to either side
   * @param maxPause the longest mean pause
   * @param kinds the failures that are retried, each of which must be known to have changed nothing
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

    public Retry {
      if (maxAttempts < 1 || maxAttempts > 100) {
        throw new IllegalArgumentException(
            "maxAttempts must be between 1 and 100, is " + maxAttempts);
      }
      requireAtLeast("maxElapsed", maxElapsed, Duration.ofMillis(1));
      requireAtLeast("firstPause", firstPause, Duration.ofMillis(1));
      requireAtLeast("maxPause", maxPause, firstPause);
      kinds = Set.copyOf(kinds);
      for (FailureKind kind : kinds) {
        if (kind.fate() == FailureKind.Fate.UNKNOWN) {
          throw new IllegalArgumentException(
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

    public Retry withMaxAttempts(int attempts) {
      return new Retry(attempts, maxElapsed, firstPause, maxPause, kinds);
    }

    public Retry withMaxElapsed(Duration elapsed) {
      return new Retry(maxAttempts, elapsed, firstPause, maxPause, kinds);
    }

    public Retry withPauses(Duration first, Duration longest) {
      return new Retry(maxAttempts, maxElapsed, first, longest, kinds);
    }

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

  /** Not safe for several threads. {@link #build()} may be called more than once. */
  public static final class Builder {
    private static final Pattern PATH = Pattern.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,62}");
    private static final Pattern SETTING =
        Pattern.compile("[A-Za-z_][A-Za-z0-9_$]*(\\.[A-Za-z_][A-Za-z0-9_$]*)?");
    private static final Set<String> OWN_SETTINGS =
        Set.of(
            "statement_timeout",
            "lock_timeout",
            "transaction_timeout",
            "transaction_isolation",
            "transaction_read_only");

    private String path = "default";
    private @Nullable Isolation isolation;
    private boolean readOnly;
    private final Map<String, String> settings = new LinkedHashMap<>();
    private @Nullable Duration deadline;
    private @Nullable Duration lockTimeout;
    private Nesting nesting = Nesting.REFUSE;
    private @Nullable Duration outcomeWait;
    private @Nullable Retry retry;

    private Builder() {}

    /**
     * The name of the code path: it selects the bulkhead, tags the metrics and stands in every
     * error. Up to 63 letters, digits, dots, dashes and underscores; few distinct names.
     */
    public Builder path(String name) {
      if (!PATH.matcher(name).matches()) {
        throw new IllegalArgumentException(
            "path '" + name + "' must be 1 to 63 letters, digits, '.', '-' or '_'");
      }
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
      if (!SETTING.matcher(name).matches()) {
        throw new IllegalArgumentException(
            "setting '" + name + "' is not a setting's name: letters, digits, '_', one dot");
      }
      if (OWN_SETTINGS.contains(name.toLowerCase(java.util.Locale.ROOT))) {
        throw new IllegalArgumentException(
            "setting '" + name + "' is governed by deadline, lockTimeout, isolation and readOnly");
      }
      settings.put(name, value);
      return this;
    }

    /**
     * The time for everything: waiting for a connection, every statement, the retries. What remains
     * becomes {@code statement_timeout} and {@code lock_timeout}, set again when less than half of
     * what was set is left, and {@code transaction_timeout} from PostgreSQL 17 on. COMMIT itself is
     * bounded by the driver's {@code socketTimeout} alone. 1 ms to 24 h.
     */
    public Builder deadline(Duration time) {
      requireAtLeast("deadline", time, Duration.ofMillis(1));
      requireAtMost("deadline", time, Duration.ofHours(24));
      this.deadline = time;
      return this;
    }

    /** The longest wait for any one lock. 1 ms to 24 h. */
    public Builder lockTimeout(Duration time) {
      requireAtLeast("lockTimeout", time, Duration.ofMillis(1));
      requireAtMost("lockTimeout", time, Duration.ofHours(24));
      this.lockTimeout = time;
      return this;
    }

    public Builder nesting(Nesting choice) {
      this.nesting = choice;
      return this;
    }

    /**
     * When the connection dies during COMMIT, ask the server on another connection what became of
     * the transaction, for at most {@code wait}. Committed: the caller gets its result. Aborted: it
     * may be retried. Anything else, a changed timeline included: {@link OutcomeUnknownException}.
     *
     * <p>Costs: the message at the beginning, and a transaction id even for a transaction that only
     * reads. Not for nodes in recovery.
     */
    public Builder resolveOutcome(Duration wait) {
      requireAtLeast("resolveOutcome", wait, Duration.ofMillis(1));
      this.outcomeWait = wait;
      return this;
    }

    public Builder retry(Retry policy) {
      this.retry = policy;
      return this;
    }

    public TxOptions build() {
      if (readOnly && outcomeWait != null) {
        throw new IllegalArgumentException(
            "resolveOutcome needs a transaction id, which a readOnly transaction cannot have;"
                + " drop one of the two");
      }
      return new TxOptions(this);
    }
  }

  private static void requireAtLeast(String option, Duration value, Duration least) {
    if (value.compareTo(least) < 0) {
      throw new IllegalArgumentException(option + " must be at least " + least + ", is " + value);
    }
  }

  private static void requireAtMost(String option, Duration value, Duration most) {
    if (value.compareTo(most) > 0) {
      throw new IllegalArgumentException(option + " must be at most " + most + ", is " + value);
    }
  }
}

package dev.pgbelay.routing;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.TxOptions.Isolation;
import dev.pgbelay.core.TxOptions.Retry;
import java.time.Duration;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * How a read is to be routed and run; keep them as constants. Immutable and safe for several
 * threads.
 */
public final class ReadOptions {
  private static final ReadOptions DEFAULTS = builder().build();

  /** What happens when no replica has it in time and the primary has all the reads it may. */
  public enum WhenFull {
    /** {@link RoutingException} of kind {@code PRIMARY_FULL}. */
    REFUSE,
    /**
     * A replica that is behind the session answers. The decision says so ({@link
     * RouteDecision.Reason#STALE_BY_CHOICE}), and the session's guarantee does not hold for it.
     */
    STALE
  }

  private final TxOptions onReplica;
  private final TxOptions onPrimary;
  private final @Nullable Duration maxWait;
  private final WhenFull whenFull;
  private final boolean stayOnReplicas;

  private ReadOptions(Builder builder) {
    TxOptions base = builder.transaction.toBuilder().readOnly(true).build();
    if (base.isolation().filter(level -> level == Isolation.SERIALIZABLE).isPresent()) {
      throw new PgBelayException(
          "a routed read cannot be SERIALIZABLE: PostgreSQL refuses it on replicas. Use"
              + " REPEATABLE_READ for one snapshot, or readPrimary");
    }
    this.onReplica = base.toBuilder().retry(Retry.none()).build();
    this.onPrimary = base;
    this.maxWait = builder.maxWait;
    this.whenFull = builder.whenFull;
    this.stayOnReplicas = builder.stayOnReplicas;
  }

  /** The read's transaction is read-only with the session's own isolation, and nothing else. */
  public static ReadOptions defaults() {
    return DEFAULTS;
  }

  /** A builder that starts from the defaults. */
  public static Builder builder() {
    return new Builder();
  }

  TxOptions onReplica() {
    return onReplica;
  }

  TxOptions onPrimary() {
    return onPrimary;
  }

  Duration maxWait(Duration unlessSaid) {
    return maxWait == null ? unlessSaid : maxWait;
  }

  WhenFull whenFull() {
    return whenFull;
  }

  boolean staysOnReplicas() {
    return stayOnReplicas;
  }

  /** Not safe for several threads. */
  public static final class Builder {
    private TxOptions transaction = TxOptions.builder().path("read").readOnly(true).build();
    private @Nullable Duration maxWait;
    private WhenFull whenFull = WhenFull.REFUSE;
    private boolean stayOnReplicas;

    private Builder() {}

    /**
     * Path, deadline and settings of the transaction; it is made read-only. {@code REPEATABLE_READ}
     * gives the whole read one snapshot. On replicas it is not run again by its own retry policy:
     * another node is tried.
     */
    public Builder transaction(TxOptions options) {
      this.transaction = Objects.requireNonNull(options, "transaction is null");
      return this;
    }

    /**
     * How long the session may wait for a replica, up to 1 minute; zero for not at all. Unless said
     * that of the builder.
     */
    public Builder maxWait(Duration time) {
      if (time.isNegative() || time.compareTo(Duration.ofMinutes(1)) > 0) {
        throw new PgBelayException("maxWait is " + time + ": must be between 0 and 1 minute");
      }
      this.maxWait = time;
      return this;
    }

    /** {@link WhenFull#REFUSE} unless said. */
    public Builder whenFull(WhenFull choice) {
      this.whenFull = choice;
      return this;
    }

    /**
     * Never goes to the primary: while a commit waits for its synchronous standby, a replica may
     * show it before the primary does, and a session that went there would go back. If no replica
     * has it in time, {@link RoutingException} of kind {@code NO_REPLICA}.
     */
    public Builder stayOnReplicas() {
      this.stayOnReplicas = true;
      return this;
    }

    /**
     * Checks the options.
     *
     * @throws PgBelayException naming the option and the rule
     */
    public ReadOptions build() {
      return new ReadOptions(this);
    }
  }
}

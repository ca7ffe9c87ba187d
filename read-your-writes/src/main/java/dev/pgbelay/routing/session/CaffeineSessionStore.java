package dev.pgbelay.routing.session;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import com.github.benmanes.caffeine.cache.RemovalCause;
import com.github.benmanes.caffeine.cache.Ticker;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.internal.OptionRange;
import dev.pgbelay.routing.ConsistencyToken;
import dev.pgbelay.routing.ReadYourWrites;
import java.time.Duration;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/**
 * A store of one process, for a service that is a single one: bounded, and nobody sees the past
 * because of the bound.
 *
 * <p><b>Guarantee.</b> That of {@link SessionStore}, within the process. An owner whose entry had
 * to make room, or who is new to the process, is given the latest of all tokens that made room
 * until its time is over, and at first what the primary had when the store was made: later than
 * needed, never earlier. So a bound that is too small, or a restart, costs some waiting for
 * replicas, and no guarantee.
 *
 * <p>Safe for several threads. Nothing blocks but {@link Builder#build}.
 */
public final class CaffeineSessionStore implements SessionStore {
  private static final long BEYOND_ALL = -1L;

  /** Holds until then. */
  private record Entry(ConsistencyToken token, long untilNanos) {
    Entry merge(Entry other) {
      return new Entry(
          token.merge(other.token),
          untilNanos - other.untilNanos >= 0 ? untilNanos : other.untilNanos);
    }
  }

  private final Cache<String, Entry> entries;
  private final AtomicReference<Entry> ofOthers;
  private final Ticker ticker;
  private final long timeToLiveNanos;

  private CaffeineSessionStore(Builder builder, ConsistencyToken atStart) {
    this.ticker = builder.ticker;
    this.timeToLiveNanos = builder.timeToLive.toNanos();
    this.ofOthers = new AtomicReference<>(entry(atStart));
    this.entries =
        Caffeine.newBuilder()
            .maximumSize(builder.maximumSize)
            .expireAfterWrite(builder.timeToLive)
            .ticker(ticker)
            // Within the removal: nobody finds the entry gone before this has been done.
            .evictionListener(this::madeRoom)
            .build();
  }

  /** With room for 100,000 owners, each for an hour after it was raised last. */
  public static Builder builder(ReadYourWrites routing) {
    return new Builder(routing);
  }

  private Entry entry(ConsistencyToken token) {
    return new Entry(token, ticker.read() + timeToLiveNanos);
  }

  private void madeRoom(@Nullable String owner, @Nullable Entry entry, RemovalCause cause) {
    if (entry != null && cause == RemovalCause.SIZE) {
      ofOthers.accumulateAndGet(entry, (known, gone) -> isOver(known) ? gone : known.merge(gone));
    }
  }

  private boolean isOver(Entry entry) {
    return ticker.read() - entry.untilNanos() >= 0;
  }

  @Override
  public Optional<ConsistencyToken> find(String owner) {
    Entry own = entries.getIfPresent(owner);
    return own != null
        ? Optional.of(own.token())
        : Optional.ofNullable(livingOthers()).map(Entry::token);
  }

  private @Nullable Entry livingOthers() {
    Entry others = Objects.requireNonNull(ofOthers.get());
    return isOver(others) ? null : others;
  }

  @Override
  public void raise(String owner, ConsistencyToken token) {
    Entry raised = entry(token);
    entries
        .asMap()
        .compute(
            owner,
            (any, before) -> {
              // An entry that made room may have been this owner's.
              Entry known = before == null ? livingOthers() : before;
              return known == null
                  ? raised
                  : new Entry(known.token().merge(token), raised.untilNanos());
            });
  }

  /** How many owners have an entry of their own, about. */
  public long size() {
    return entries.estimatedSize();
  }

  /** For tests, which wait for what is otherwise done a moment later. */
  void makeRoomNow() {
    entries.cleanUp();
  }

  /** Not safe for several threads. */
  public static final class Builder {
    private final ReadYourWrites routing;
    private long maximumSize = 100_000;
    private Duration timeToLive = Duration.ofHours(1);
    private Ticker ticker = Ticker.systemTicker();

    private Builder(ReadYourWrites routing) {
      this.routing = routing;
    }

    /** For so many owners at most, 1 to 100 million; about 300 bytes each. */
    public Builder maximumSize(long owners) {
      this.maximumSize = owners;
      return this;
    }

    /**
     * How long an owner's token is kept after it was raised last, 1 second to 30 days: longer than
     * any replica may lag that is still read.
     */
    public Builder timeToLive(Duration time) {
      this.timeToLive = time;
      return this;
    }

    Builder ticker(Ticker source) {
      this.ticker = source;
      return this;
    }

    /**
     * Asks where the primary is: whoever was served before this process began sees at least that.
     *
     * @throws PgBelayException naming the option, its value and its range; or if no primary answers
     */
    public CaffeineSessionStore build() {
      OptionRange.require("maximumSize", maximumSize, 1L, 100_000_000L);
      OptionRange.require("timeToLive", timeToLive, Duration.ofSeconds(1), Duration.ofDays(30));
      ConsistencyToken atStart = routing.token(routing.sessionOnPrimary()).orElseThrow();
      if (atStart.position().lsn() == BEYOND_ALL) {
        throw new PgBelayException(
            "no primary says where it is, so that users who were served before could not be kept"
                + " from the past: build the store when ReadYourWrites.nodes() has a primary");
      }
      return new CaffeineSessionStore(this, atStart);
    }
  }
}

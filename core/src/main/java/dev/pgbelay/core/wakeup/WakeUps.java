package dev.pgbelay.core.wakeup;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.background.BackgroundLoop;
import dev.pgbelay.core.internal.OptionRange;
import io.micrometer.core.instrument.MeterRegistry;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Consumer;
import java.util.regex.Pattern;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Wakes pollers in other processes by {@code LISTEN} and {@code NOTIFY}, which only make them
 * sooner: a notification that is lost costs a poll interval, and where nothing can be heard they
 * poll as if this did not exist. One per process.
 *
 * <p>A notification is sent after the commit that it tells of, by a thread and a connection of its
 * own, so that no transaction takes the lock that PostgreSQL takes for it; those of one topic that
 * come close together are one, at most twenty a second. One connection listens. It is known to be
 * heard on: every {@link Builder#probeInterval} a probe is sent on another connection and must
 * arrive, so a connection that fell silent, or a pooler that does not pass notifications on, is
 * noticed, and {@link #isHealthy} says so. Whoever listens is woken at once after each reconnect.
 *
 * <p>Owns two daemon threads. Needs a {@code DataSource} that leads directly to the server, not
 * through a pooler, of two connections: one is kept for good, one is borrowed for a moment to send.
 * Safe for several threads; started once, stopped once.
 */
public final class WakeUps implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(WakeUps.class);

  private final Announcer announcer;
  private final Listener listener;
  private final BackgroundLoop sending;
  private final BackgroundLoop listening;
  private final List<Consumer<String>> woken = new CopyOnWriteArrayList<>();

  private WakeUps(Builder builder) {
    WakeUpMeters meters =
        builder.registry == null
            ? WakeUpMeters.NONE
            : new WakeUpMeters.OfMicrometer(builder.registry, builder.channel);
    String name = "wakeups-" + builder.channel.replace('_', '-');
    this.announcer =
        new Announcer(builder.dataSource, "pgbelay_" + builder.channel, builder.quiet, meters);
    this.listener =
        new Listener(
            builder.dataSource,
            "pgbelay_" + builder.channel,
            builder.probeInterval,
            builder.probeTimeout,
            this::wake,
            meters);
    this.sending =
        BackgroundLoop.builder(name + "-send", announcer::pass)
            .idlePause(Duration.ofSeconds(10), Duration.ofSeconds(10))
            .failurePause(Duration.ofMillis(100), Duration.ofSeconds(5))
            .meterRegistry(builder.registry)
            .build();
    this.listening =
        BackgroundLoop.builder(name + "-listen", listener::pass)
            .failurePause(Duration.ofMillis(100), Duration.ofSeconds(10))
            .meterRegistry(builder.registry)
            .build();
    announcer.onAnnounce(sending::wakeUp);
    listener.stopsWhen(listening::isStopping);
    meters.watch(this);
  }

  /**
   * Begins the definition.
   *
   * @param direct leads directly to the server
   */
  public static Builder builder(DataSource direct) {
    return new Builder(direct);
  }

  /**
   * Starts the threads; asks no database.
   *
   * @throws PgBelayException if it was started or stopped before
   */
  public void start() {
    listening.start();
    sending.start();
  }

  /**
   * Tells the other processes that there is something under this topic; call it after the commit.
   * Never blocks and never fails. What is announced before the start is sent then.
   */
  public void announce(String topic) {
    announcer.announce(topic);
  }

  /**
   * Whether notifications arrive: a probe did lately. Where they do, pollers may look less often.
   */
  public boolean isHealthy() {
    return listener.isHealthy();
  }

  /**
   * Has it told of topics that somebody announced, in this process or another, on the thread that
   * listens: do not block it. The empty topic means everything, as after a reconnect. What it
   * throws is logged.
   */
  public void addListener(Consumer<String> topic) {
    woken.add(topic);
  }

  /** Ends {@link #addListener}. */
  public void removeListener(Consumer<String> topic) {
    woken.remove(topic);
  }

  private void wake(String topic) {
    for (Consumer<String> one : woken) {
      try {
        one.accept(topic);
      } catch (RuntimeException e) {
        LOG.warn("a listener of wake-ups failed", e);
      }
    }
  }

  /** Sends nothing more and gives the connections back. */
  @Override
  public void close() {
    sending.close();
    listening.close();
    listener.disconnect();
  }

  /** Options of {@link WakeUps}. Not thread-safe. */
  public static final class Builder {
    private static final Pattern CHANNEL = Pattern.compile("[a-z][a-z0-9_]{0,29}");

    private final DataSource dataSource;
    private String channel = "wakeups";
    private Duration quiet = Duration.ofMillis(50);
    private Duration probeInterval = Duration.ofSeconds(15);
    private Duration probeTimeout = Duration.ofSeconds(5);
    private @Nullable MeterRegistry registry;

    private Builder(DataSource dataSource) {
      this.dataSource = dataSource;
    }

    /**
     * Who hears each other, in one database: {@code wakeups} unless said. 1 to 30 of a-z, 0-9 and
     * underscore, a letter first.
     */
    public Builder channel(String name) {
      if (!CHANNEL.matcher(name).matches()) {
        throw new PgBelayException(
            "channel is \""
                + name
                + "\": must be 1 to 30 of a-z, 0-9 and underscore, a letter first");
      }
      this.channel = name;
      return this;
    }

    /** Between two notifications of one topic: 1 ms to 1 minute, 50 ms unless said. */
    public Builder quiet(Duration time) {
      OptionRange.require("quiet", time, Duration.ofMillis(1), Duration.ofMinutes(1));
      this.quiet = time;
      return this;
    }

    /** Between two probes: 100 ms to 5 minutes, 15 s unless said. */
    public Builder probeInterval(Duration time) {
      OptionRange.require("probeInterval", time, Duration.ofMillis(100), Duration.ofMinutes(5));
      this.probeInterval = time;
      return this;
    }

    /**
     * How long a probe may take before the connection is given up: 100 ms to 1 minute, 5 s unless
     * said.
     */
    public Builder probeTimeout(Duration time) {
      OptionRange.require("probeTimeout", time, Duration.ofMillis(100), Duration.ofMinutes(1));
      this.probeTimeout = time;
      return this;
    }

    /** Where the metrics of the guide go; none are kept otherwise. */
    public Builder meterRegistry(MeterRegistry metrics) {
      this.registry = metrics;
      return this;
    }

    public WakeUps build() {
      return new WakeUps(this);
    }
  }
}

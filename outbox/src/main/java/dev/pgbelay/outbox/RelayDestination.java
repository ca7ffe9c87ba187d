package dev.pgbelay.outbox;

import dev.pgbelay.core.background.BackgroundLoop;
import dev.pgbelay.core.background.Pass;
import dev.pgbelay.core.internal.PollPace;
import dev.pgbelay.core.internal.WorkThreads;
import dev.pgbelay.core.permit.ClaimPermit;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What one relay does for one destination: it looks, delivers, acknowledges and holds. */
final class RelayDestination {
  private static final Logger LOG = LoggerFactory.getLogger(RelayDestination.class);
  private static final Duration LONGEST_REFUSED = Duration.ofMillis(100);

  private final Destination destination;
  private final RelayOptions options;
  private final RelayWindow window;
  private final RelayMeters meters;
  private final SafeMark mark;
  private final AckWriter acks;
  private final HoldWriter holds;
  private final RelayLook looks;
  private final BackgroundLoop look;
  private final BackgroundLoop ack;
  private final BackgroundLoop hold;
  private final List<Thread> threads = new ArrayList<>();
  private final PollPace pace;
  private volatile @Nullable Short number;

  RelayDestination(
      RelayOptions options, int place, Destination destination, RelayIdentity identity) {
    this.destination = destination;
    this.options = options;
    this.window = new RelayWindow(options.window(), options.windowBytes(), destination);
    this.meters =
        options.registry() == null
            ? new RelayMeters.Unregistered()
            : new RelayMeters.OfMicrometer(options.registry(), options.name(), destination.name());
    this.pace = options.pace();
    this.mark =
        new SafeMark(
            new MarkSql(options.schema()), Math.min(pace.interval().toNanos(), 100_000_000L));
    LookSql lookSql = new LookSql(options.schema());
    ClaimPermit permit = destination.permit();
    this.looks =
        new RelayLook(
            options.transactions(),
            lookSql,
            window,
            mark,
            identity::lookedAt,
            () -> {
              int one = permit.reserve(1);
              permit.release(one);
              return one;
            });
    this.acks =
        new AckWriter(
            options.transactions(),
            options.ackSql(),
            destination.retentionDays() > 0,
            window,
            meters,
            identity::retired);
    this.holds =
        new HoldWriter(
            destination,
            options.transactions(),
            options.lease(),
            options.holdSql(),
            new DueSql(options.schema()),
            window,
            meters,
            identity::retired);
    String name = "outbox-" + options.name() + "-";
    Duration first = pace.first();
    this.look = loop(name + "look-" + place, this::look).idlePause(first, pace.longest()).build();
    this.ack =
        loop(name + "ack-" + place, this::acknowledge)
            .idlePause(Duration.ofSeconds(1), Duration.ofSeconds(5))
            .build();
    this.hold = loop(name + "hold-" + place, this::hold).idlePause(first, pace.interval()).build();
    window.wakes(look::wakeUp, ack::wakeUp, hold::wakeUp);
    ThreadFactory factory = options.threadFactory();
    ThreadFactory used =
        factory == null ? WorkThreads.ofThisJvm("pgbelay-" + name + "deliver-" + place) : factory;
    for (int i = 0; i < destination.concurrency(); i++) {
      threads.add(
          used.newThread(
              new RelayDispatch(this, permit, identity, meters, options.transactions(), lookSql)));
    }
  }

  private BackgroundLoop.Builder loop(String name, BackgroundLoop.Work work) {
    return BackgroundLoop.builder(name, work)
        .failurePause(Duration.ofMillis(100), Duration.ofSeconds(5))
        .meterRegistry(options.registry());
  }

  private Pass look() throws SQLException {
    Short known = number;
    return known == null ? Pass.idle() : looks.pass(known, pace.now());
  }

  private Pass acknowledge() throws SQLException {
    Short known = number;
    return known == null ? Pass.idle() : acks.pass(known);
  }

  private Pass hold() throws SQLException {
    Short known = number;
    return known == null ? Pass.idle() : holds.pass(known, pace.interval());
  }

  Destination destination() {
    return destination;
  }

  RelayWindow window() {
    return window;
  }

  RelayMeters meters() {
    return meters;
  }

  /** In the database; null while no topic is routed there. */
  @Nullable Short number() {
    return number;
  }

  void known(short asNumber) {
    number = asNumber;
  }

  /** What others may know of it; null while no topic is routed there. */
  @Nullable RelayState state() {
    Short known = number;
    if (known == null) {
      return null;
    }
    OptionalLong delivered = meters.lastDelivery();
    return new RelayState(
        known,
        window.isPaused(),
        destination.isRefused(),
        delivered.isEmpty() ? null : Duration.ofNanos(System.nanoTime() - delivered.getAsLong()));
  }

  /** Until a permit that has refused is asked again. */
  Duration refusedPause() {
    return pace.interval().compareTo(LONGEST_REFUSED) < 0 ? pace.interval() : LONGEST_REFUSED;
  }

  void start() {
    meters.watch(window);
    look.start();
    ack.start();
    hold.start();
    threads.forEach(Thread::start);
  }

  void wakeUp() {
    look.wakeUp();
  }

  void wakeAll() {
    look.wakeUp();
    hold.wakeUp();
  }

  /** Others have its lanes, or will. */
  void forget() {
    mark.reset();
    int here = window.lose();
    if (here > 0) {
      meters.stale(here);
    }
  }

  /** Nothing is begun from here on. */
  void stopBeginning() {
    window.stop();
    look.stop(Duration.ofSeconds(5));
  }

  /** How many calls do not end, however long one waits. */
  int awaitCalls(long untilNanos) throws InterruptedException {
    if (!window.calls().awaitIdle(Math.max(0, untilNanos - System.nanoTime()))) {
      LOG.warn("deliveries to '{}' did not end in time, interrupting them", destination.name());
      threads.forEach(Thread::interrupt);
      boolean ignored = window.calls().awaitIdle(TimeUnit.SECONDS.toNanos(1));
    }
    return window.running();
  }

  /** Writes what there is on the calling thread, until nothing is left or the time is over. */
  void flush(long untilNanos) throws InterruptedException {
    while (unwritten() > 0 && untilNanos - System.nanoTime() > 0) {
      try {
        ack.runOnce();
        hold.runOnce();
      } catch (InterruptedException e) {
        throw e;
      } catch (Exception e) {
        LOG.debug("results could not be written yet", e);
        Thread.sleep(20);
      }
    }
  }

  int unwritten() {
    return window.unwritten() + acks.pending() + holds.pending();
  }

  void close() {
    look.close();
    ack.close();
    hold.close();
    threads.forEach(Thread::interrupt);
    meters.unwatch();
  }
}

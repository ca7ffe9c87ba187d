package dev.pgbelay.outbox;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.background.BackgroundLoop;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import javax.sql.DataSource;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Delivers what an {@link Outbox} has appended, in the order of each key. Any number of relays, on
 * any nodes, share the work; each has some of a destination's 32 lanes, and a key belongs to a
 * lane.
 *
 * <p><b>Guarantee.</b> A message of a committed transaction is delivered at least once, however the
 * ids of concurrent transactions are committed. Of one key, first deliveries are in the order of
 * its ids where producers hold a lock from before their append until their commit, or append
 * strictly. Once a message of a key is not delivered, none behind it is until it is delivered,
 * skipped or a dead letter. A message is delivered again where a relay died or was given up by
 * others before it had written down what it had delivered; {@link Message#claim} is another one
 * then.
 *
 * <p>Takes connections of the transactions' {@code DataSource} for single statements; none is held
 * and no row is locked while a publisher is called. Owns its threads. Safe for several threads;
 * started once, stopped once.
 */
public final class OutboxRelay implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(OutboxRelay.class);
  private static final Duration FLUSH = Duration.ofSeconds(5);

  private final RelayOptions options;
  private final RelayIdentity identity;
  private final RelayLanes lanes;
  private final List<RelayDestination> destinations = new ArrayList<>();
  private final BackgroundLoop lanesLoop;
  private final BackgroundLoop retention;
  private final Consumer<String> heard = this::heard;
  private final CommitListener committed;
  private final AtomicBoolean startedOrStopped = new AtomicBoolean();
  private volatile boolean running;

  OutboxRelay(RelayOptions options) {
    this.options = options;
    this.identity =
        new RelayIdentity(options, new RelaySql(options.schema()), this::states, this::dropped);
    for (Destination destination : options.destinations()) {
      destinations.add(
          new RelayDestination(options, destinations.size() + 1, destination, identity));
    }
    this.committed = new CommittedHere(destinations, identity);
    PublishedUpkeep upkeep =
        new PublishedUpkeep(options.transactions(), options.schema(), this::retentions);
    this.retention =
        BackgroundLoop.builder("outbox-" + options.name() + "-retain", upkeep::pass)
            .idlePause(Duration.ofMinutes(10), Duration.ofHours(1))
            .failurePause(Duration.ofSeconds(1), Duration.ofMinutes(10))
            .meterRegistry(options.registry())
            .build();
    this.lanes = new RelayLanes(options, identity, destinations, retention::wakeUp);
    Duration pause = lanes.pause();
    this.lanesLoop =
        BackgroundLoop.builder("outbox-" + options.name() + "-lanes", lanes::pass)
            .idlePause(pause, pause)
            .failurePause(Duration.ofMillis(100), pause)
            .meterRegistry(options.registry())
            .build();
  }

  /** Of the destinations whose numbers are known. */
  private Map<Short, Integer> retentions() {
    Map<Short, Integer> days = new HashMap<>();
    for (RelayDestination destination : destinations) {
      Short number = destination.number();
      if (number != null) {
        days.put(number, destination.destination().retentionDays());
      }
    }
    return days;
  }

  /**
   * Begins the definition.
   *
   * @param transactions for all statements but heartbeats
   * @param heartbeats of one connection, apart from the transactions' pool, so that the relay stays
   *     alive when that is exhausted
   */
  public static OutboxRelayBuilder builder(Transactions transactions, DataSource heartbeats) {
    return new OutboxRelayBuilder(transactions, heartbeats);
  }

  /**
   * Starts the threads; asks no database.
   *
   * @throws PgBelayException if it was started or stopped before, or another relay of its name
   *     reports to the same registry; nothing runs then
   */
  public void start() {
    if (startedOrStopped.getAndSet(true)) {
      throw new PgBelayException(
          "relay '"
              + options.name()
              + "' was started or stopped before: build a new one to start again");
    }
    // First, since it is refused where another of its name reports to the registry.
    lanesLoop.start();
    running = true;
    destinations.forEach(RelayDestination::start);
    retention.start();
    options.outboxes().forEach(outbox -> outbox.attach(committed));
    if (options.wakeUps() != null) {
      options.wakeUps().addListener(heard);
    }
  }

  private void heard(String topic) {
    for (RelayDestination destination : destinations) {
      Short number = destination.number();
      if (topic.isEmpty()
          || topic.equals(CommitAlarm.wakeTopic(destination.destination().name()))) {
        destination.wakeAll();
      } else if (number != null && topic.equals(CommitAlarm.topic(number))) {
        destination.wakeUp();
      }
    }
  }

  private List<RelayState> states() {
    return destinations.stream().map(RelayDestination::state).filter(Objects::nonNull).toList();
  }

  private void dropped() {
    for (RelayDestination destination : destinations) {
      destination.meters().lost();
      destination.forget();
    }
    lanesLoop.wakeUp();
  }

  /**
   * How a stop ended.
   *
   * @param stillDelivering calls of publishers that do not heed their interrupt
   * @param unwritten results that could not be written
   */
  public record StopReport(int stillDelivering, int unwritten) {
    /** Whether everything that was begun is written down, so that others can go on at once. */
    public boolean isClean() {
      return stillDelivering == 0 && unwritten == 0;
    }
  }

  /**
   * Begins nothing more, lets calls of publishers end until the deadline, then interrupts them and
   * waits a second more; writes what became of their messages and gives its lanes to others. Where
   * that is not clean its lanes go to others once the lease is over, and messages are delivered
   * again. One that was not started is not started any more.
   */
  public StopReport stop(Duration deadline) {
    if (!startedOrStopped.getAndSet(true) || !running) {
      return new StopReport(0, 0);
    }
    long until = System.nanoTime() + TimeUnit.NANOSECONDS.convert(deadline);
    options.outboxes().forEach(outbox -> outbox.detach(committed));
    if (options.wakeUps() != null) {
      options.wakeUps().removeListener(heard);
    }
    retention.close();
    lanesLoop.stop(Duration.ofSeconds(5));
    destinations.forEach(RelayDestination::stopBeginning);
    int delivering = 0;
    int unwritten = 0;
    try {
      for (RelayDestination destination : destinations) {
        delivering += destination.awaitCalls(until);
      }
      long flushed = System.nanoTime() + FLUSH.toNanos();
      for (RelayDestination destination : destinations) {
        destination.flush(flushed);
        unwritten += destination.unwritten();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      delivering = destinations.stream().mapToInt(one -> one.window().running()).sum();
      unwritten = destinations.stream().mapToInt(RelayDestination::unwritten).sum();
    }
    StopReport report = new StopReport(delivering, unwritten);
    signOff(report);
    destinations.forEach(RelayDestination::close);
    identity.close();
    return report;
  }

  private void signOff(StopReport report) {
    if (!report.isClean()) {
      LOG.error(
          "relay '{}' stopped with {}: others take over after the lease", options.name(), report);
      return;
    }
    try {
      RelayIdentity.Identity me = identity.current();
      if (me != null) {
        lanes.releaseAll(me);
      }
      identity.end();
    } catch (RuntimeException | SQLException e) {
      LOG.info("relay '{}' could not sign off; its row expires by itself", options.name(), e);
    }
  }

  /** {@link #stop} with the deadline of {@link OutboxRelayBuilder#closeDeadline}. */
  @Override
  public void close() {
    StopReport ignored = stop(options.closeDeadline());
  }
}

package dev.pgbelay.outbox.health;

import dev.pgbelay.core.internal.HealthLevel;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tags;
import io.micrometer.core.instrument.TimeGauge;
import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import java.util.function.ToDoubleFunction;
import org.jspecify.annotations.Nullable;

/** What a monitor shows. The only class of this package that needs Micrometer. */
final class HealthMeters {
  private static final String PREFIX = "pgbelay.outbox.";

  private final MeterRegistry registry;
  private final OutboxMonitor monitor;
  private final Tags own;
  private final List<Gauge> gauges = new CopyOnWriteArrayList<>();
  private final Set<String> watched = ConcurrentHashMap.newKeySet();
  private final Set<Topic> topics = ConcurrentHashMap.newKeySet();

  private record Topic(String destination, String name) {}

  HealthMeters(MeterRegistry registry, OutboxMonitor monitor, String name) {
    this.registry = registry;
    this.monitor = monitor;
    this.own = Tags.of("monitor", name);
    gauge("health", "0 up, 1 degraded, 2 down", own, is -> HealthLevel.of(is.health()));
    gauge("relays", "Relays that are heard of", own, ofSnapshot(OutboxSnapshot::relays));
    gauge(
        "published.overdue",
        "Days of published messages that should have been emptied",
        own,
        ofSnapshot(OutboxSnapshot::overdueDays));
    age(
        "horizon.pinned",
        "For how long something keeps VACUUM from cleaning up, if longer than allowed",
        own,
        is ->
            is.lastSnapshot()
                .flatMap(
                    seen -> seen.pins().stream().map(pin -> pin.held()).max(Duration::compareTo)));
  }

  private static ToDoubleFunction<OutboxMonitor> ofSnapshot(
      ToDoubleFunction<OutboxSnapshot> value) {
    return is -> is.lastSnapshot().map(value::applyAsDouble).orElse(Double.NaN);
  }

  /** Gauges of destinations and topics that were not seen before. */
  void watch(Collection<DestinationFigures> destinations) {
    for (DestinationFigures seen : destinations) {
      if (watched.add(seen.destination())) {
        watch(seen.destination());
      }
      for (String topic : seen.topics().keySet()) {
        if (topics.add(new Topic(seen.destination(), topic))) {
          watch(seen.destination(), topic);
        }
      }
    }
  }

  private void watch(String destination) {
    Tags tags = own.and("destination", destination);
    count(
        destination,
        "waiting",
        "Messages that could be delivered now",
        tags,
        is -> is.lag().messages());
    age(
        "waiting.age",
        "Since the oldest of them was appended",
        tags,
        of(destination, is -> is.lag().oldest()));
    count(
        destination,
        "replays",
        "Replays that could be delivered now",
        tags,
        is -> is.lag().replays());
    Tags retried = tags.and("state", "retried");
    Tags parked = tags.and("state", "parked");
    String keys = "Keys that wait because a message of theirs could not be delivered";
    count(destination, "keys", keys, retried, is -> is.held().retriedKeys());
    count(destination, "keys", keys, parked, is -> is.held().parkedKeys());
    String longest = "Since the one of them was held that waits longest";
    age("keys.age", longest, retried, of(destination, is -> is.held().longestRetried()));
    age("keys.age", longest, parked, of(destination, is -> is.held().longestParked()));
    count(destination, "held", "Messages of keys that wait", tags, is -> is.held().messages());
    age(
        "held.age",
        "Since the oldest of them was appended",
        tags,
        of(destination, is -> is.held().oldestMessage()));
    count(destination, "dead.letters", "Dead letters", tags, DestinationFigures::deadLetters);
    count(
        destination,
        "destination.relays",
        "Relays that are heard of and deliver there",
        tags,
        is -> is.service().relays());
    count(
        destination,
        "lanes.free",
        "Lanes that no relay has, of 32",
        tags,
        is -> is.service().freeLanes());
    count(
        destination,
        "relays.paused",
        "Relays for which everything fails there",
        tags,
        is -> is.service().paused());
    count(
        destination,
        "relays.refused",
        "Relays whose permit lets nothing begin there",
        tags,
        is -> is.service().refused());
    age(
        "delivered.age",
        "Since a relay that is alive delivered something there",
        tags,
        of(destination, is -> is.service().sinceDelivered()));
  }

  private void watch(String destination, String topic) {
    Tags tags = own.and("destination", destination, "topic", topic);
    count(
        destination,
        "topic.waiting",
        "Messages of a topic that could be delivered now",
        tags,
        is -> topic(is, topic).messages());
    age(
        "topic.waiting.age",
        "Since the oldest of them was appended",
        tags,
        of(destination, is -> topic(is, topic).oldest()));
  }

  private static Lag topic(DestinationFigures figures, String topic) {
    return figures.topics().getOrDefault(topic, Lag.NONE);
  }

  private void count(
      String destination,
      String name,
      String description,
      Tags tags,
      ToDoubleFunction<DestinationFigures> value) {
    gauge(
        name,
        description,
        tags,
        is -> figures(is, destination).map(value::applyAsDouble).orElse(0.0));
  }

  private void gauge(
      String name, String description, Tags tags, ToDoubleFunction<OutboxMonitor> value) {
    gauges.add(
        Gauge.builder(PREFIX + name, monitor, value)
            .description(description)
            .tags(tags)
            .strongReference(true)
            .register(registry));
  }

  private static Function<OutboxMonitor, Optional<Duration>> of(
      String destination, Function<DestinationFigures, Optional<Duration>> age) {
    return is -> figures(is, destination).flatMap(age);
  }

  private void age(
      String name, String description, Tags tags, Function<OutboxMonitor, Optional<Duration>> age) {
    gauges.add(
        TimeGauge.builder(
                PREFIX + name,
                monitor,
                TimeUnit.SECONDS,
                is -> age.apply(is).map(time -> time.toMillis() / 1e3).orElse(0.0))
            .description(description)
            .tags(tags)
            .strongReference(true)
            .register(registry));
  }

  /** The monitor has ended; what it saw last would be taken for what is. */
  void close() {
    gauges.forEach(registry::remove);
    gauges.clear();
  }

  private static Optional<DestinationFigures> figures(OutboxMonitor monitor, String destination) {
    return monitor
        .lastSnapshot()
        .flatMap(
            seen ->
                Optional.ofNullable(
                    (@Nullable DestinationFigures) seen.destinations().get(destination)));
  }
}

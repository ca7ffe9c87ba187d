package dev.pgbelay.outbox.replay;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.outbox.internal.Names;
import java.time.Instant;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * Which of the messages that were delivered to a destination; begin with {@link #to}. Says when
 * they were delivered, or their ids, or both. Immutable and safe for several threads.
 *
 * @param destination to which they were delivered
 * @param topic of theirs, if only one is meant
 * @param key of theirs, if only one is meant
 * @param from when they were delivered, inclusive
 * @param until when they were delivered, exclusive
 * @param firstId inclusive
 * @param lastId inclusive
 */
public record Published(
    String destination,
    Optional<String> topic,
    Optional<String> key,
    Optional<Instant> from,
    Optional<Instant> until,
    OptionalLong firstId,
    OptionalLong lastId) {

  /**
   * @throws PgBelayException if a range ends before it begins
   */
  public Published {
    Names.requireDestination(destination);
    topic.ifPresent(Names::requireTopic);
    if (from.isPresent() && until.isPresent() && !from.get().isBefore(until.get())) {
      throw new PgBelayException(
          "from is " + from.get() + " and until is " + until.get() + ": from must be before until");
    }
    if (firstId.isPresent() && lastId.isPresent() && firstId.getAsLong() > lastId.getAsLong()) {
      throw new PgBelayException(
          "firstId is "
              + firstId.getAsLong()
              + " and lastId is "
              + lastId.getAsLong()
              + ": firstId must not be behind lastId");
    }
  }

  /** All that are kept of a destination, to be narrowed. */
  public static Published to(String destination) {
    return new Published(
        destination,
        Optional.empty(),
        Optional.empty(),
        Optional.empty(),
        Optional.empty(),
        OptionalLong.empty(),
        OptionalLong.empty());
  }

  /** Those of one topic. */
  public Published ofTopic(String name) {
    return new Published(destination, Optional.of(name), key, from, until, firstId, lastId);
  }

  /** Those of one key. */
  public Published ofKey(String text) {
    return new Published(destination, topic, Optional.of(text), from, until, firstId, lastId);
  }

  /**
   * Those that were delivered in a window, by the database's clock.
   *
   * @param start inclusive
   * @param end exclusive
   */
  public Published between(Instant start, Instant end) {
    return new Published(
        destination, topic, key, Optional.of(start), Optional.of(end), firstId, lastId);
  }

  /** Those with ids in a range, both inclusive; {@code Message.sequence} has the id. */
  public Published withIds(long first, long last) {
    return new Published(
        destination, topic, key, from, until, OptionalLong.of(first), OptionalLong.of(last));
  }

  boolean isBounded() {
    return from.isPresent() || firstId.isPresent();
  }

  /** Without the key. */
  @Override
  public String toString() {
    return "Published[to "
        + destination
        + topic.map(name -> ", topic " + name).orElse("")
        + key.map(text -> ", of one key").orElse("")
        + from.map(start -> ", from " + start).orElse("")
        + until.map(end -> " until " + end).orElse("")
        + (firstId.isPresent()
            ? ", ids " + firstId.getAsLong() + " to " + lastId.orElse(Long.MAX_VALUE)
            : "")
        + "]";
  }
}

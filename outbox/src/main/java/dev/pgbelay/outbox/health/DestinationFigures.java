package dev.pgbelay.outbox.health;

import java.util.Map;

/**
 * One destination at one moment, by the database's clock. Immutable and safe for several threads.
 *
 * @param destination its name
 * @param routed whether a topic goes there
 * @param lag what waits, of all topics
 * @param topics the same by topic, of those of which something was seen to wait
 * @param held keys that wait because a message of theirs could not be delivered
 * @param deadLetters messages that are not delivered unless somebody says so, counted up to the
 *     monitor's limit
 * @param service who delivers there
 */
public record DestinationFigures(
    String destination,
    boolean routed,
    Lag lag,
    Map<String, Lag> topics,
    HeldFigures held,
    int deadLetters,
    ServiceFigures service) {
  public DestinationFigures {
    topics = Map.copyOf(topics);
  }

  DestinationFigures withService(ServiceFigures other) {
    return new DestinationFigures(destination, routed, lag, topics, held, deadLetters, other);
  }
}

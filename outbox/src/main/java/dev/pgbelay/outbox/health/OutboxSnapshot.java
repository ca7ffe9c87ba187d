package dev.pgbelay.outbox.health;

import dev.pgbelay.core.horizon.HorizonPin;
import java.util.List;
import java.util.Map;

/**
 * What an {@link OutboxMonitor} has read at one moment. Immutable and safe for several threads.
 *
 * @param destinations all of them, by name
 * @param relays that are heard of
 * @param overdueDays days of published messages that should have been emptied and were not
 * @param pins who keeps VACUUM from cleaning up
 */
public record OutboxSnapshot(
    Map<String, DestinationFigures> destinations,
    int relays,
    int overdueDays,
    List<HorizonPin> pins) {
  public OutboxSnapshot {
    destinations = Map.copyOf(destinations);
    pins = List.copyOf(pins);
  }
}

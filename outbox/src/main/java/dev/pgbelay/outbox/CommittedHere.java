package dev.pgbelay.outbox;

import java.util.List;
import java.util.OptionalInt;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Tells the destinations of one relay what its process has committed. */
record CommittedHere(List<RelayDestination> destinations, RelayIdentity identity)
    implements CommitListener {
  @Override
  public void committed(Set<Integer> appended) {
    for (RelayDestination destination : destinations) {
      Short number = destination.number();
      if (number != null && appended.contains(number.intValue())) {
        destination.wakeUp();
      }
    }
  }

  @Override
  public void woken(String name) {
    for (RelayDestination destination : destinations) {
      if (destination.destination().name().equals(name)) {
        destination.wakeAll();
      }
    }
  }

  @Override
  public OptionalInt ownedLane() {
    for (RelayDestination destination : destinations) {
      OptionalInt lane = destination.window().handOvers().anyLane();
      if (lane.isPresent()) {
        return lane;
      }
    }
    return OptionalInt.empty();
  }

  @Override
  public @Nullable HandOver promise(WrittenRow row, int lane) {
    if (!identity.isIn(row.database())) {
      return null;
    }
    for (RelayDestination destination : destinations) {
      Short known = destination.number();
      if (known != null && known == row.destination()) {
        HandOver place = destination.window().handOvers().promise(lane);
        return place == null
            ? null
            : (same, content, payload, position) ->
                identity.isInClusterOf(position) && place.give(same, content, payload, position);
      }
    }
    return null;
  }
}

package dev.pgbelay.outbox;

import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * What a look has to know.
 *
 * @param lanes which
 * @param room for so many messages
 * @param bytes for so many bytes
 * @param excluded ids that are here already
 * @param fullKeys keys of which enough is here, by lane
 */
record LookPlan(
    List<LaneClaim> lanes,
    int room,
    long bytes,
    List<Long> excluded,
    Map<Integer, Set<String>> fullKeys) {

  Set<String> fullKeysOf(LaneClaim lane) {
    return fullKeys.getOrDefault(lane.lane, Set.of());
  }
}

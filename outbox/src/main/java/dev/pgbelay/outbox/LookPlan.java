package dev.pgbelay.outbox;

import java.util.List;

/**
 * What a look has to know.
 *
 * @param lanes which
 * @param room for so many messages
 * @param bytes for so many bytes
 * @param excluded ids that are here already
 * @param fullKeys keys of which enough is here
 */
record LookPlan(
    List<LaneClaim> lanes, int room, long bytes, List<Long> excluded, List<String> fullKeys) {}

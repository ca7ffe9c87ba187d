package dev.pgbelay.outbox;

import dev.pgbelay.core.CommitPosition;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * Places in a window for messages that this process appends itself, which no look has to find. Safe
 * for several threads.
 */
final class HandOvers {
  private final WindowLock lock;
  private final LaneClaims lanes;
  private final FreeIds foundFree;
  private final Predicate<LaneMessage> accepts;
  private long given;

  /**
   * @param accepts whether there is room, asked with the lock
   */
  HandOvers(WindowLock lock, LaneClaims lanes, FreeIds foundFree, Predicate<LaneMessage> accepts) {
    this.lock = lock;
    this.lanes = lanes;
    this.foundFree = foundFree;
    this.accepts = accepts;
  }

  /** A lane for a message without key; empty while this relay has none. */
  OptionalInt anyLane() {
    List<LaneClaim> open = lanes.open();
    return open.isEmpty()
        ? OptionalInt.empty()
        : OptionalInt.of(open.get(ThreadLocalRandom.current().nextInt(open.size())).lane);
  }

  /** For a message of that lane that is about to be committed; null if it is not this relay's. */
  @Nullable HandOver promise(int lane) {
    for (LaneClaim claim : lanes.open()) {
      if (claim.lane == lane) {
        long found = foundFree.count();
        return (row, content, payload, position) ->
            handOver(claim, found, row, content, payload, position);
      }
    }
    return null;
  }

  private boolean handOver(
      LaneClaim claim,
      long found,
      WrittenRow row,
      LaneMessage.Content content,
      byte[] payload,
      Optional<CommitPosition> position) {
    LaneMessage message = new LaneMessage(claim, row.id(), row.at(), content, payload);
    message.position = position.orElse(null);
    return lock.locked(
        () -> {
          if (!lanes.isOpen(claim)
              || foundFree.mayHave(row.id(), found)
              || !accepts.test(message)) {
            return false;
          }
          given++;
          lock.wakeOne();
          return true;
        });
  }

  /** So many were delivered, or will be, without a look. */
  long count() {
    return lock.locked(() -> given);
  }
}

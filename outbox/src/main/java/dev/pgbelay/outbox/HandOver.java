package dev.pgbelay.outbox;

import dev.pgbelay.core.CommitPosition;
import dev.pgbelay.outbox.LaneMessage.Content;
import java.util.Optional;

/**
 * A place in the memory of a relay of this process for one message, which was asked for before the
 * commit. Safe for several threads.
 */
interface HandOver {
  /** Payloads that are larger stay in the database until they are delivered. */
  int MOST_BYTES = 4096;

  /**
   * Called after the commit, on the thread that committed.
   *
   * @return whether the relay delivers it; otherwise a look finds it
   */
  boolean give(WrittenRow row, Content content, byte[] payload, Optional<CommitPosition> position);
}

package dev.pgbelay.idempotency.internal;

import java.util.concurrent.atomic.AtomicInteger;

/**
 * Whether calls of late were mostly replays. Then what answers a replay in few round trips comes
 * first; otherwise it would only make first calls slower. A guess of what is cheaper, and of
 * nothing else. Safe for several threads.
 */
public final class ReplayShare {
  private static final int ONE = 1 << 16;
  private static final int WEIGHT = 16;

  private final AtomicInteger share = new AtomicInteger();

  public boolean isLarge() {
    return share.get() > ONE / 2;
  }

  /** An update that gets lost between two threads does no harm. */
  public void saw(boolean replay) {
    int before = share.get();
    int after = before + ((replay ? ONE : 0) - before) / WEIGHT;
    if (after != before) {
      share.lazySet(after);
    }
  }
}

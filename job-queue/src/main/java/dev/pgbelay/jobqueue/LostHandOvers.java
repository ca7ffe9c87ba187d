package dev.pgbelay.jobqueue;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.internal.Fence;
import dev.pgbelay.jobqueue.LowWaterMark.Spot;
import dev.pgbelay.jobqueue.Registration.Identity;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Jobs that were enqueued as claimed by this process in statements whose answers were lost: there
 * or not, and nobody knows their ids. They are found by their fences.
 *
 * <p>The statement may still be on its way, or wait for the disk. So its number is forbidden first;
 * then those transactions that were writing jobs at that moment are waited for. A statement that
 * was not among them begins later, and adds nothing: it locks the table before it looks whether its
 * number is allowed.
 */
final class LostHandOvers {
  private static final TxOptions ASK = TxOptions.forPath("jobqueue-hand-over");
  private static final int MOST = 100;

  private final Transactions transactions;
  private final HandOverSql sql;
  private final ClaimSql claims;
  private final Queue<Lost> open = new ConcurrentLinkedQueue<>();
  private final AtomicInteger count = new AtomicInteger();

  private static final class Lost {
    private final String queue;
    private final Identity identity;
    private final Fence fence;
    private final Consumer<ClaimedJob> found;

    // Used within passes only.
    private @Nullable Set<String> writers;
    private int looks;

    Lost(String queue, Identity identity, Fence fence, Consumer<ClaimedJob> found) {
      this.queue = queue;
      this.identity = identity;
      this.fence = fence;
      this.found = found;
    }
  }

  LostHandOvers(Transactions transactions, HandOverSql sql, ClaimSql claims) {
    this.transactions = transactions;
    this.sql = sql;
    this.claims = claims;
  }

  /** Whether so many are to be found already that no more should be handed over. */
  boolean isFull() {
    return count.get() >= MOST;
  }

  /**
   * @param found is given the job if it is there
   */
  void add(String queue, Identity identity, Fence fence, Consumer<ClaimedJob> found) {
    count.incrementAndGet();
    open.add(new Lost(queue, identity, fence, found));
  }

  boolean isEmpty() {
    return open.isEmpty();
  }

  void look() throws SQLException {
    List<Lost> settled = new ArrayList<>();
    for (Lost one : open) {
      // The jobs of an identity that was given up are rescued by others.
      if (one.identity.isLost() || isSettled(one)) {
        settled.add(one);
      }
    }
    settled.forEach(open::remove);
    count.addAndGet(-settled.size());
  }

  private boolean isSettled(Lost one) throws SQLException {
    if (one.writers == null) {
      transactions.execute(ASK, tx -> claims.raiseClaimFloor(tx.connection(), one.fence));
      one.writers = new HashSet<>(writers());
    } else if (!one.writers.isEmpty()) {
      one.writers.retainAll(writers());
    }
    boolean last = one.writers.isEmpty();
    one.looks++;
    if (!last && Integer.bitCount(one.looks) > 1) {
      return false; // reads the whole queue, so it is done less and less often
    }
    List<ClaimedJob> there =
        transactions.run(
            ASK, tx -> claims.findClaimed(tx.connection(), one.fence, one.queue, Spot.FRONT));
    there.forEach(one.found);
    return last || !there.isEmpty();
  }

  private Set<String> writers() throws SQLException {
    return transactions.run(ASK, tx -> sql.listWriters(tx.connection()));
  }
}

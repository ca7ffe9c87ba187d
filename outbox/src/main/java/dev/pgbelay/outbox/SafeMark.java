package dev.pgbelay.outbox;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import java.sql.SQLException;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;

/**
 * Up to which id nothing can appear any more, so that a look need not begin at the front, where
 * rows lie that are deleted and, while something pins the horizon, stay.
 *
 * <p>An id is drawn by a statement that has its lock on the table already. So whoever may still
 * commit an id up to the last one that was drawn is among those that hold that lock afterwards;
 * when none of them does any more, a later look sees all that there will ever be. An id that was
 * drawn before a crash, and whose log was not on disk, is drawn again by others: so the log has to
 * be on disk, too. Used by one thread at a time, but for the reset.
 */
final class SafeMark {
  private static final TxOptions READ = TxOptions.forPath("outbox-mark");

  /** A look from the front all the same, should a server have forgotten what it had told. */
  private static final long FULL_LOOK = TimeUnit.MINUTES.toNanos(1);

  private final MarkSql sql;
  private final long pause;
  private long decided;
  private MarkSql.Drawn drawn = new MarkSql.Drawn(0, "0/0", null);
  private Set<String> writers = Set.of();
  private boolean waiting;
  private volatile boolean forgotten;
  private long lastStep;
  private long lastFull = System.nanoTime();

  SafeMark(MarkSql sql, long pauseNanos) {
    this.sql = sql;
    this.pause = pauseNanos;
    this.lastStep = System.nanoTime() - pauseNanos;
  }

  /** The server is another one, perhaps. By any thread. */
  void reset() {
    forgotten = true;
  }

  /** Ids up to here are decided for whoever looks from now on. */
  long decided(Transactions transactions) throws SQLException {
    if (forgotten) {
      forgotten = false;
      decided = 0;
      waiting = false;
    }
    long now = System.nanoTime();
    if (now - lastStep < pause) {
      return decided;
    }
    lastStep = now;
    if (!waiting) {
      drawn = sql.lastDrawn(transactions, READ);
      if (drawn.id() <= decided) {
        return decided;
      }
      // Read by another statement, so afterwards.
      writers = sql.writers(transactions, READ, drawn);
      waiting = true;
    } else {
      Set<String> left = new HashSet<>(sql.writers(transactions, READ, drawn));
      if (left.contains(MarkSql.CRASHED)) {
        writers = left;
      }
      left.removeIf(one -> !writers.contains(one) && !MarkSql.wasPrepared(one));
      writers = left;
    }
    if (writers.contains(MarkSql.CRASHED)) {
      waiting = false;
    } else if (writers.isEmpty()) {
      decided = drawn.id();
      waiting = false;
    }
    return decided;
  }

  /** The plan, from the front now and then. */
  LookPlan applied(LookPlan plan) {
    long now = System.nanoTime();
    if (now - lastFull < FULL_LOOK) {
      return plan;
    }
    lastFull = now;
    List<LaneClaim> lanes = plan.lanes();
    lanes.forEach(LaneClaim::forgetMarks);
    return plan;
  }
}

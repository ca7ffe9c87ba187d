package dev.pgbelay.lock.lease;

import dev.pgbelay.core.FailureKind;
import dev.pgbelay.core.Failures;
import dev.pgbelay.core.OutcomeUnknownException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.internal.Fence;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.ThreadLocalRandom;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Asks for leases. Thread-safe. */
final class LeaseGrants {
  private static final Logger LOG = LoggerFactory.getLogger(LeaseLock.class);
  private static final int MOST_QUESTIONS = 5;

  private final Transactions transactions;
  private final LeaseSql sql;
  private final LeaseMeters meters;
  private final Duration duration;
  private final Duration patience;
  private final Duration poll;
  private final String holder;

  LeaseGrants(
      Transactions transactions,
      LeaseSql sql,
      LeaseMeters meters,
      Duration duration,
      Duration patience,
      Duration poll,
      String holder) {
    this.transactions = transactions;
    this.sql = sql;
    this.meters = meters;
    this.duration = duration;
    this.patience = patience;
    this.poll = poll;
    this.holder = holder;
  }

  /**
   * What became of one question.
   *
   * @param asked {@link System#nanoTime} before it
   * @param token if it was granted
   * @param holder who has it otherwise, if anybody
   * @param left how much longer that lease lasts
   */
  record Grant(
      Fence fence, long asked, Optional<Long> token, Optional<String> holder, Duration left) {}

  Grant ask(String name, Fence fence) {
    long asked = System.nanoTime();
    LeaseSql.Taken taken = take(name, fence);
    meters.asked(taken.token().isPresent());
    return new Grant(fence, asked, taken.token(), taken.holder(), taken.left());
  }

  /** In ns. Until the lease there is may be over, but never longer than the poll interval. */
  long pause(Grant refused) {
    long most = poll.toNanos();
    long until =
        refused.left().isZero() ? most : Math.min(most, refused.left().toNanos() + 1_000_000);
    return ThreadLocalRandom.current().nextLong(until / 2, until + 1);
  }

  /** The statement finds its own claim again, so it may be sent twice. */
  private LeaseSql.Taken take(String name, Fence fence) {
    for (int question = 1; ; question++) {
      try {
        return transactions.run(
            LeaseLock.WRITE, tx -> sql.take(tx.dsl(), name, fence, duration, holder, patience));
      } catch (OutcomeUnknownException e) {
        if (question == MOST_QUESTIONS) {
          throw e;
        }
        LOG.info("lease '{}': the answer to a COMMIT was lost; asking again", name);
      } catch (RuntimeException e) {
        if (isLockTimeout(e)) {
          return new LeaseSql.Taken(Optional.empty(), Optional.empty(), Duration.ZERO);
        }
        throw LeaseSql.explained(e);
      }
    }
  }

  static boolean isLockTimeout(RuntimeException e) {
    FailureKind kind = Failures.classify(e);
    return kind == FailureKind.LOCK_NOT_AVAILABLE || kind == FailureKind.LOCK_TIMEOUT;
  }
}

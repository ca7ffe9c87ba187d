package dev.pgbelay.idempotency.payment;

import dev.pgbelay.core.OutcomeUnknownException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.internal.Fence;
import dev.pgbelay.idempotency.IdempotencyKey;
import dev.pgbelay.idempotency.internal.Polling;
import java.time.Duration;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What whoever has a claim does about it outside of a phase. Safe for several threads. */
final class ClaimedWrites {
  private static final Logger LOG = LoggerFactory.getLogger(PaymentOperation.class);
  private static final Duration LOST_COMMIT = Duration.ofSeconds(10);
  private static final Duration LOCK = Duration.ofSeconds(2);

  private final int version;
  private final Transactions transactions;
  private final TxOptions options;
  private final TxOptions asking;
  private final PaymentSql sql;
  private final PhaseSql phases;

  ClaimedWrites(
      int version, Transactions transactions, TxOptions options, PaymentSql sql, PhaseSql phases) {
    this.version = version;
    this.transactions = transactions;
    this.options = options;
    this.asking = options.toBuilder().lockTimeout(LOCK).build();
    this.sql = sql;
    this.phases = phases;
  }

  /**
   * Gives the claim back. An interrupt of the thread waits: the provider has been asked.
   *
   * @throws ClaimLostException if somebody else has it; nothing was changed
   */
  void leave(
      Claim<?> claim,
      Progress progress,
      OpenPayment.State state,
      int attempts,
      String reason,
      Duration pause) {
    PaymentWrite write = PaymentWrite.left(version, progress, state, attempts, reason, pause);
    boolean interrupted = Thread.interrupted();
    try {
      transactions.execute(options, tx -> write(tx, claim.key(), claim.fence(), write));
    } finally {
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }

  void write(Tx tx, IdempotencyKey key, Fence fence, PaymentWrite write) {
    phases.save(tx.connection(), key, fence, write);
  }

  /**
   * Whether a transaction whose COMMIT was not answered has committed. The lost session has the key
   * or the row locked until it has ended, one way or the other.
   *
   * @param progress that it would have written
   * @param finished whether it would have finished the payment
   * @throws OutcomeUnknownException if that cannot be found out
   * @throws ClaimLostException if somebody else has the payment by now
   */
  boolean hasCommitted(
      Claim<?> claim, Progress progress, boolean finished, OutcomeUnknownException lost) {
    Polling polling = new Polling(LOST_COMMIT);
    while (true) {
      try {
        Optional<Boolean> committed =
            transactions.run(asking, tx -> look(tx, claim, progress, finished));
        if (committed.isPresent()) {
          return committed.get();
        }
      } catch (ClaimLostException e) {
        throw e;
      } catch (RuntimeException e) {
        LOG.debug("payment {}: cannot ask yet what became of a lost COMMIT", claim.key(), e);
      }
      if (!polling.pause()) {
        throw lost;
      }
    }
  }

  /** Empty if it cannot be told yet. */
  private Optional<Boolean> look(Tx tx, Claim<?> claim, Progress progress, boolean finished) {
    boolean locked = sql.lockAndFind(tx.connection(), claim.key()).locked();
    PaymentRow row = sql.lockRow(tx.connection(), claim.key());
    if (row == null) {
      return locked ? Optional.of(false) : Optional.empty();
    }
    if (!row.fence().equals(Optional.of(claim.fence()))) {
      throw new ClaimLostException(claim.key());
    }
    boolean completed = row.state() == OpenPayment.State.COMPLETED;
    return Optional.of(finished ? completed : !completed && row.progress().isAt(progress));
  }
}

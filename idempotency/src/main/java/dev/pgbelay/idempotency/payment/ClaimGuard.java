package dev.pgbelay.idempotency.payment;

import dev.pgbelay.core.FailureKind;
import dev.pgbelay.core.TransactionException;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.internal.Fence;
import dev.pgbelay.idempotency.IdempotencyKey;
import java.time.Duration;
import org.jooq.Table;
import org.jooq.exception.DataAccessException;
import org.jooq.impl.DSL;

/** Joins claims to the transactions of others. Safe for several threads. */
final class ClaimGuard {
  private static final String SAYS_LOST = "22P02";
  private static final String CANNOT_SEE = "22012";

  private final Table<?> table;
  private final Duration lease;
  private final PaymentMeters meters;

  ClaimGuard(Table<?> table, Duration lease, PaymentMeters meters) {
    this.table = table;
    this.lease = lease;
    this.meters = meters;
  }

  void guard(Tx tx, IdempotencyKey key, Fence fence) {
    try {
      tx.dsl()
          .resultQuery(
              ClaimSql.GUARD,
              table,
              DSL.val(key.tenant()),
              DSL.val(key.operation()),
              DSL.val(key.key()),
              DSL.val(fence.claimant()),
              DSL.val(fence.number()),
              DSL.val(lease.toMillis()))
          .fetch();
    } catch (DataAccessException e) {
      if (SAYS_LOST.equals(e.sqlState())) {
        meters.lost();
        throw new ClaimLostException(key);
      }
      if (CANNOT_SEE.equals(e.sqlState())) {
        throw new TransactionException(
            FailureKind.SERIALIZATION_FAILURE,
            "the snapshot of this transaction does not show the claim on payment "
                + key
                + ", and may be older than it; run the transaction again, and guard before anything"
                + " else",
            e);
      }
      throw e;
    }
  }
}

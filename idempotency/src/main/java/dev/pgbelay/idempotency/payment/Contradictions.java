package dev.pgbelay.idempotency.payment;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.idempotency.IdempotencyKey;
import java.util.Arrays;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Notes that two sources, such as a webhook and the answer of the call, say unlike things about one
 * step. What was recorded first stays; somebody has to look at the provider. Safe for several
 * threads.
 */
final class Contradictions<Q> {
  private static final Logger LOG = LoggerFactory.getLogger(PaymentOperation.class);

  private final Declared<Q, ?> declared;
  private final Transactions transactions;
  private final PaymentSql sql;
  private final SettlementSql notes;
  private final PaymentMeters meters;

  Contradictions(
      Declared<Q, ?> declared, Transactions transactions, PaymentSql sql, PaymentMeters meters) {
    this.declared = declared;
    this.transactions = transactions;
    this.sql = sql;
    this.notes = new SettlementSql(sql.table());
    this.meters = meters;
  }

  /**
   * Whether what is recorded speaks against it; false where nothing is.
   *
   * @param told the step's result; null if it is said to be refused
   */
  <T> boolean isOne(PaymentRow row, StepKey<T> step, byte @Nullable [] told) {
    byte[] recorded = row.progress().result(step.name());
    if (recorded != null) {
      return told == null || !same(row.key(), step, recorded, told);
    }
    return told != null
        && row.progress().refusal() != null
        && !declared.steps().isCompensation(step.name());
  }

  /** Codecs that encrypt may write one result in two ways. */
  private <T> boolean same(IdempotencyKey key, StepKey<T> step, byte[] recorded, byte[] told) {
    if (Arrays.equals(recorded, told)) {
      return true;
    }
    String what = "result of step \"" + step + "\"";
    return Objects.equals(
        declared.decode(what, step.codec(), key, recorded),
        declared.decode(what, step.codec(), key, told));
  }

  /** Keeps the first one of a payment. Results stay out of it. */
  void note(Tx tx, PaymentRow row, String step, byte @Nullable [] told) {
    String note =
        "step "
            + step
            + " is recorded as "
            + (row.progress().result(step) == null ? "REFUSED" : "SUCCEEDED")
            + ", and is said to be "
            + (told == null
                ? "REFUSED"
                : "SUCCEEDED" + (row.progress().result(step) == null ? "" : " otherwise"));
    notes.contradict(tx.dsl(), row.key(), note);
    LOG.error("payment {}: {}; look at the provider", row.key(), note);
  }

  /**
   * Compares the answer of a call, whose caller had lost the payment when it came, with what was
   * recorded meanwhile.
   *
   * @param asked null if nobody was
   * @param heard with the answer
   */
  void heard(IdempotencyKey key, @Nullable String asked, Progress heard) {
    Step.Provider<Q, ?> step = asked == null ? null : declared.steps().provider(asked);
    if (step == null || asked == null) {
      return;
    }
    try {
      boolean contradicted =
          transactions.run(
              declared.options(),
              tx -> {
                PaymentRow row = sql.lockRow(tx.connection(), key);
                byte[] told = heard.result(asked);
                boolean found = row != null && isOne(row, step.key(), told);
                if (row != null && found) {
                  note(tx, row, asked, told);
                }
                return found;
              });
      if (contradicted) {
        meters.settled(PaymentOperation.Settlement.CONTRADICTED);
      }
    } catch (RuntimeException e) {
      LOG.warn("payment {}: the answer of step {} could not be compared", key, asked, e);
    }
  }
}

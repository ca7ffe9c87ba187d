package dev.pgbelay.idempotency.payment;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.internal.Claimant;
import dev.pgbelay.core.internal.Fence;
import dev.pgbelay.idempotency.IdempotencyKey;
import java.time.Duration;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Takes replies that come by another way than as the answer of the call: by webhook, late, or from
 * an operator. Safe for several threads.
 */
final class Settling<Q> implements ProviderStep.Late<Q> {
  private static final Logger LOG = LoggerFactory.getLogger(PaymentOperation.class);

  private final Declared<Q, ?> declared;
  private final Transactions transactions;
  private final PaymentSql sql;
  private final Claimant claimant;
  private final PaymentMeters meters;

  Settling(
      Declared<Q, ?> declared,
      Transactions transactions,
      PaymentSql sql,
      Claimant claimant,
      PaymentMeters meters) {
    this.declared = declared;
    this.transactions = transactions;
    this.sql = sql;
    this.claimant = claimant;
    this.meters = meters;
  }

  /** Under the fence: once somebody else has the payment, what he finds out counts. */
  @Override
  public <T> void came(Claim<Q> claim, StepKey<T> step, ProviderReply<T> reply) {
    if (!reply.isDefinite()) {
      return;
    }
    try {
      PaymentOperation.Settlement settlement =
          transactions.run(
              declared.options(), tx -> settle(tx, claim.key(), step, reply, claim.fence()));
      LOG.info("payment {}: the late answer of step {}: {}", claim.key(), step, settlement);
    } catch (RuntimeException e) {
      LOG.warn("payment {}: the late answer of step {} was not kept", claim.key(), step, e);
    }
  }

  /**
   * Records a reply.
   *
   * @param under settles only while this has the payment; null for whoever has it
   */
  <T> PaymentOperation.Settlement settle(
      Tx tx, IdempotencyKey key, StepKey<T> step, ProviderReply<T> reply, @Nullable Fence under) {
    if (!reply.isDefinite()) {
      throw new PgBelayException(
          "a settlement must be SUCCEEDED or REFUSED, is "
              + reply.kind()
              + "; nothing was changed");
    }
    if (declared.steps().provider(step.name()) == null) {
      throw new PgBelayException(
          "operation \"" + declared.name() + "\" has no provider step \"" + step + "\"");
    }
    PaymentOperation.Settlement settlement = settled(tx, key, step, reply, under);
    meters.settled(settlement);
    return settlement;
  }

  private <T> PaymentOperation.Settlement settled(
      Tx tx, IdempotencyKey key, StepKey<T> step, ProviderReply<T> reply, @Nullable Fence under) {
    PaymentRow row = sql.lockRow(tx.connection(), key);
    if (row == null) {
      return PaymentOperation.Settlement.NO_SUCH_KEY;
    }
    boolean others = under != null && !row.fence().equals(Optional.of(under));
    if (row.state() == OpenPayment.State.COMPLETED
        || row.progress().result(step.name()) != null
        || others) {
      return PaymentOperation.Settlement.ALREADY_KNOWN;
    }
    if (!step.name().equals(row.progress().asked())) {
      return row.progress().refusal() != null
          ? PaymentOperation.Settlement.ALREADY_KNOWN
          : PaymentOperation.Settlement.NOT_ASKED;
    }
    seize(tx, row, write(row, step, reply));
    return PaymentOperation.Settlement.SETTLED;
  }

  private <T> PaymentWrite write(PaymentRow row, StepKey<T> step, ProviderReply<T> reply) {
    Progress progress = row.progress();
    if (reply.result().isPresent()) {
      byte[] result =
          declared.encode(
              "result of step \"" + step + "\"", step.codec(), reply.result().orElseThrow());
      return free(row, progress.recorded(step.name(), result));
    }
    if (progress.refusal() == null) {
      return free(row, progress.refused(reply.detail()));
    }
    meters.parked();
    return PaymentWrite.left(
        row.version(),
        progress,
        OpenPayment.State.PARKED,
        row.attempts(),
        "compensation \"" + step + "\" was refused: " + reply.detail(),
        Duration.ZERO);
  }

  private static PaymentWrite free(PaymentRow row, Progress progress) {
    return new PaymentWrite(
        row.version(), progress, OpenPayment.State.RUNNING, 0, null, Duration.ZERO, null, null);
  }

  /** Whoever has it loses it: what he would write is older than what is known now. */
  private void seize(Tx tx, PaymentRow row, PaymentWrite write) {
    Fence fence = claimant.next();
    sql.seize(tx.connection(), row.key(), fence);
    if (!sql.save(tx.connection(), row.key(), fence, write)) {
      throw new ClaimLostException(row.key());
    }
  }

  /** The state it is in afterwards; empty if there is none. */
  Optional<OpenPayment.State> unpark(Tx tx, IdempotencyKey key) {
    PaymentRow row = sql.lockRow(tx.connection(), key);
    if (row == null) {
      return Optional.empty();
    }
    if (row.state() != OpenPayment.State.PARKED) {
      return Optional.of(row.state());
    }
    OpenPayment.State state =
        row.progress().asked() == null ? OpenPayment.State.RUNNING : OpenPayment.State.UNKNOWN;
    seize(
        tx,
        row,
        new PaymentWrite(row.version(), row.progress(), state, 0, null, Duration.ZERO, null, null));
    return Optional.of(state);
  }
}

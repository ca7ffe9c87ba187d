package dev.pgbelay.idempotency.payment;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.internal.Claimant;
import dev.pgbelay.core.internal.Fence;
import dev.pgbelay.idempotency.IdempotencyKey;
import dev.pgbelay.idempotency.payment.PaymentOperation.Settlement;
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
  private final PhaseSql phases;
  private final Claimant claimant;
  private final Contradictions<Q> contradictions;
  private final SettlementSql found;
  private final PaymentMeters meters;

  Settling(
      Declared<Q, ?> declared,
      Transactions transactions,
      PaymentSql sql,
      PhaseSql phases,
      Claimant claimant,
      Contradictions<Q> contradictions,
      PaymentMeters meters) {
    this.declared = declared;
    this.transactions = transactions;
    this.sql = sql;
    this.phases = phases;
    this.claimant = claimant;
    this.contradictions = contradictions;
    this.found = new SettlementSql(sql.table());
    this.meters = meters;
  }

  /**
   * That the provider acted is so whoever has the payment by now, as if a webhook said it. That it
   * refused counts under the fence alone: somebody else may have asked it again, and it may have
   * acted then.
   */
  @Override
  public <T> void came(Claim<Q> claim, StepKey<T> step, ProviderReply<T> reply) {
    if (!reply.isDefinite()) {
      return;
    }
    boolean acted = reply.kind() == ProviderReply.Kind.SUCCEEDED;
    try {
      Settlement settlement = settle(claim.key(), step, reply, acted ? null : claim.fence());
      LOG.info(
          "payment {}: step {} was answered late with {}, which {}",
          claim.key(),
          step,
          reply.kind(),
          switch (settlement) {
            case SETTLED -> "settles it";
            case CONTRADICTED -> "contradicts what is recorded";
            case ALREADY_KNOWN -> "is known, or not used: somebody else has carried it on";
            case NOT_ASKED, NO_SUCH_KEY -> "it has no use for";
          });
    } catch (RuntimeException e) {
      LOG.warn("payment {}: the late answer of step {} was not kept", claim.key(), step, e);
    }
  }

  /** In a transaction of its own. */
  <T> Settlement settle(
      IdempotencyKey key, StepKey<T> step, ProviderReply<T> reply, @Nullable Fence under) {
    return transactions.run(declared.options(), tx -> settle(tx, key, step, reply, under));
  }

  /**
   * Records a reply.
   *
   * @param under settles only while this has the payment; null for whoever has it
   */
  <T> Settlement settle(
      Tx tx, IdempotencyKey key, StepKey<T> step, ProviderReply<T> reply, @Nullable Fence under) {
    check(step, reply);
    Settlement settlement = settled(tx, key, step, reply, under);
    meters.settled(settlement);
    return settlement;
  }

  <T> Settlement settleByProviderKey(
      Tx tx, String providerKey, StepKey<T> step, ProviderReply<T> reply) {
    if (!declared.isFoundByProviderKey()) {
      throw new PgBelayException(
          "payments of operation \""
              + declared.name()
              + "\" are not found by their provider keys: build it with foundByProviderKey()");
    }
    check(step, reply);
    Settlement settlement =
        ProviderKeys.beginning(providerKey)
            .flatMap(beginning -> found.byProviderKey(tx.dsl(), declared.name(), beginning))
            .filter(key -> ProviderKeys.of(key, step.name()).equals(providerKey))
            .map(key -> settled(tx, key, step, reply, null))
            .orElse(Settlement.NO_SUCH_KEY);
    meters.settled(settlement);
    return settlement;
  }

  private <T> void check(StepKey<T> step, ProviderReply<T> reply) {
    if (!reply.isDefinite()) {
      throw new PgBelayException(
          "a settlement must be SUCCEEDED or REFUSED, is "
              + reply.kind()
              + "; nothing was changed. Leave the payment as it is until the provider, or whoever"
              + " decides, says one of the two");
    }
    declared.steps().requireProvider(step);
  }

  private <T> Settlement settled(
      Tx tx, IdempotencyKey key, StepKey<T> step, ProviderReply<T> reply, @Nullable Fence under) {
    PaymentRow row = sql.lockRow(tx.connection(), key);
    if (row == null) {
      return Settlement.NO_SUCH_KEY;
    }
    byte[] told = reply.result().map(result -> encode(step, result)).orElse(null);
    if (contradictions.isOne(row, step, told)) {
      contradictions.note(tx, row, step.name(), told);
      return Settlement.CONTRADICTED;
    }
    boolean others = under != null && !row.fence().equals(Optional.of(under));
    if (row.state() == OpenPayment.State.COMPLETED
        || row.progress().result(step.name()) != null
        || others) {
      return Settlement.ALREADY_KNOWN;
    }
    if (!step.name().equals(row.progress().asked())) {
      return row.progress().refusal() != null ? Settlement.ALREADY_KNOWN : Settlement.NOT_ASKED;
    }
    seize(tx, row, write(row, step, reply, told));
    return Settlement.SETTLED;
  }

  private <T> byte[] encode(StepKey<T> step, T result) {
    return declared.encode("result of step \"" + step + "\"", step.codec(), result);
  }

  private <T> PaymentWrite write(
      PaymentRow row, StepKey<T> step, ProviderReply<T> reply, byte @Nullable [] told) {
    Progress progress = row.progress();
    if (told != null) {
      return free(row, progress.recorded(step.name(), told));
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
    phases.save(tx.connection(), row.key(), fence, write);
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

package dev.pgbelay.idempotency.payment;

import dev.pgbelay.core.OutcomeUnknownException;
import dev.pgbelay.core.TransactionException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.idempotency.Answer;
import java.time.Duration;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Carries a claimed payment on, from phase to phase and call to call, until it has its answer or
 * must be left. Safe for several threads.
 */
final class PaymentRun<Q, R> {
  private static final Logger LOG = LoggerFactory.getLogger(PaymentOperation.class);
  private static final int MOST_LOST_COMMITS = 3;

  private final Declared<Q, R> declared;
  private final Transactions transactions;
  private final Phase<Q, R> phase;
  private final ClaimedWrites writes;
  private final ProviderStep<Q> providers;
  private final Contradictions<Q> contradictions;
  private final PaymentMeters meters;

  PaymentRun(
      Declared<Q, R> declared,
      Transactions transactions,
      Phase<Q, R> phase,
      ClaimedWrites writes,
      ProviderStep<Q> providers,
      Contradictions<Q> contradictions,
      PaymentMeters meters) {
    this.declared = declared;
    this.transactions = transactions;
    this.phase = phase;
    this.writes = writes;
    this.providers = providers;
    this.contradictions = contradictions;
    this.meters = meters;
  }

  /**
   * Goes on from there.
   *
   * @param reached committed, unless its response is present
   * @throws ClaimLostException if somebody else has the payment by now
   * @throws Exception what a database step threw; the payment waits for its next attempt, or is
   *     parked
   */
  Answer<R> run(Claim<Q> claim, Phase.Reached<R> reached) throws Exception {
    Phase.Reached<R> now = reached;
    Claim<Q> held = claim;
    while (now.response() == null) {
      Progress progress = now.progress();
      String asked = progress.asked();
      if (asked != null) {
        ProviderStep.Heard heard = providers.ask(held, progress, asked, now.asOf());
        if (heard.answer() != null) {
          return new Answer<>(heard.answer(), Optional.empty(), Optional.of(heard.pause()));
        }
        progress = heard.progress();
      }
      held = held.later();
      try {
        now = advance(held, progress);
      } catch (ClaimLostException e) {
        contradictions.heard(held.key(), asked, progress);
        throw e;
      }
      held = held.progressed();
    }
    return Answer.executed(now.response());
  }

  /** One transaction; what the provider said is kept even if that fails. */
  private Phase.Reached<R> advance(Claim<Q> claim, Progress from) throws Exception {
    try {
      return committed(claim, from);
    } catch (StepRefusedException e) {
      if (from.refusal() == null) {
        return new Phase.Reached<>(from.refused(e.code()), null, System.nanoTime());
      }
      leave(claim, from, e);
      throw e;
    } catch (ClaimLostException | OutcomeUnknownException e) {
      throw e;
    } catch (Exception | Error e) {
      leave(claim, from, e);
      throw e;
    }
  }

  private Phase.Reached<R> committed(Claim<Q> claim, Progress from) throws Exception {
    for (int lost = 1; ; lost++) {
      Holder<R> attempted = new Holder<>();
      try {
        return transactions.run(
            declared.options(),
            tx -> {
              attempted.reached = null;
              Phase.Reached<R> there = phase.advance(tx, claim, from);
              attempted.reached = there;
              return there;
            });
      } catch (OutcomeUnknownException e) {
        Phase.Reached<R> there = attempted.reached;
        if (there == null || lost == MOST_LOST_COMMITS) {
          throw e;
        }
        if (writes.hasCommitted(claim, there.progress(), there.response() != null, e)) {
          return there;
        }
      } catch (TransactionException e) {
        throw attempted.reached == null ? e : PhaseSql.explained(e, claim.key());
      }
    }
  }

  private static final class Holder<R> {
    private Phase.@Nullable Reached<R> reached;
  }

  /** The failure reaches the caller; the payment is tried again later, or parked. */
  private void leave(Claim<Q> claim, Progress at, Throwable failure) {
    int attempts = claim.attempts() + 1;
    boolean park = attempts >= declared.maxAttempts();
    String reason = "failed " + attempts + " times, last with " + failure.getClass().getName();
    Duration pause = declared.pauseAfter(attempts);
    try {
      writes.leave(
          claim,
          at,
          park ? OpenPayment.State.PARKED : OpenPayment.State.RUNNING,
          attempts,
          reason,
          pause);
      if (park) {
        meters.parked();
        LOG.warn("payment {} is parked: {}", claim.key(), reason);
      }
    } catch (RuntimeException e) {
      failure.addSuppressed(e);
      LOG.warn("payment {} could not be given back; its lease ends by itself", claim.key());
    }
  }
}

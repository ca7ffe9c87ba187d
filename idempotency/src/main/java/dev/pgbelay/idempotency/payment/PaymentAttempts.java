package dev.pgbelay.idempotency.payment;

import dev.pgbelay.idempotency.Answer;
import dev.pgbelay.idempotency.Fingerprint;
import dev.pgbelay.idempotency.IdempotencyKey;
import java.time.Duration;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Begins or takes up payments, and carries on what it has claimed while its lease is renewed. Safe
 * for several threads.
 */
final class PaymentAttempts<Q, R> {
  private static final Logger LOG = LoggerFactory.getLogger(PaymentOperation.class);

  private final String operation;
  private final PaymentEntry<Q, R> entry;
  private final PaymentRun<Q, R> run;
  private final KeptClaims keptClaims;
  private final PaymentMeters meters;

  PaymentAttempts(
      String operation,
      PaymentEntry<Q, R> entry,
      PaymentRun<Q, R> run,
      KeptClaims keptClaims,
      PaymentMeters meters) {
    this.operation = operation;
    this.entry = entry;
    this.run = run;
    this.keptClaims = keptClaims;
    this.meters = meters;
  }

  Answer<R> attempt(IdempotencyKey key, Fingerprint own, Q request) throws Exception {
    PaymentEntry.Begun<Q, R> begun;
    try {
      begun = entry.begin(key, own, request);
    } catch (ClaimLostException e) {
      return Answer.inProgress(Duration.ofSeconds(1));
    }
    try {
      return carry(begun);
    } catch (ClaimLostException e) {
      return entry.look(key, own).orElseThrow(() -> e);
    }
  }

  private Answer<R> carry(PaymentEntry.Begun<Q, R> begun) throws Exception {
    Claim<Q> claim = begun.claim();
    Phase.Reached<R> reached = begun.reached();
    if (claim == null || reached == null) {
      Answer<R> answer = begun.answer();
      return answer == null ? Answer.inProgress(Duration.ofSeconds(1)) : answer;
    }
    if (reached.response() != null) {
      return Answer.executed(reached.response());
    }
    keptClaims.add(claim);
    try {
      return run.run(claim, reached);
    } catch (ClaimLostException e) {
      meters.lost();
      throw e;
    } finally {
      keptClaims.remove(claim);
    }
  }

  /**
   * Carries on the payment that has been due for longest.
   *
   * @return whether there was one
   */
  boolean completeOne(Duration grace) throws InterruptedException {
    Optional<PaymentEntry.Begun<Q, R>> begun = entry.takeDue(grace);
    if (begun.isEmpty()) {
      return false;
    }
    try {
      carry(begun.get());
    } catch (ClaimLostException e) {
      LOG.debug("a client or a webhook was faster", e);
    } catch (InterruptedException e) {
      throw e;
    } catch (Exception | Error e) {
      LOG.warn("a payment of operation {} could not be carried on", operation, e);
    }
    return true;
  }
}

package dev.pgbelay.idempotency.payment;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Tx;
import dev.pgbelay.idempotency.IdempotencyKey;
import java.util.Optional;

/**
 * What a step may know: the request, the results before it, and the claim that it runs under.
 *
 * <p>Safe for several threads, as far as the request is.
 *
 * @param <Q> the request
 */
public final class Execution<Q> {
  private final Claim<Q> claim;
  private final Progress progress;
  private final ClaimGuard guard;

  Execution(Claim<Q> claim, Progress progress, ClaimGuard guard) {
    this.claim = claim;
    this.progress = progress;
    this.guard = guard;
  }

  public IdempotencyKey key() {
    return claim.key();
  }

  /** As it was when the payment began; after a crash, as its codec reads it. */
  public Q request() {
    return claim.request();
  }

  /**
   * The result of a step that comes before this one.
   *
   * @throws PgBelayException if it has none; or without its content, if its codec cannot read it
   */
  public <T> T result(StepKey<T> step) {
    return find(step)
        .orElseThrow(
            () ->
                new PgBelayException(
                    "step \"" + step + "\" of payment " + key() + " has no result here"));
  }

  /** The result of a step, if it was reached. */
  public <T> Optional<T> find(StepKey<T> step) {
    byte[] stored = progress.result(step.name());
    if (stored == null) {
      return Optional.empty();
    }
    try {
      return Optional.of(step.codec().decode(stored));
    } catch (Exception e) {
      throw new PgBelayException(
          "the result of step \""
              + step
              + "\" of payment "
              + key()
              + " cannot be read ("
              + e.getClass().getName()
              + "): its codec must read what older versions wrote");
    }
  }

  /** Why the answer is no, if it is. */
  public Optional<String> refusal() {
    return Optional.ofNullable(progress.refusal());
  }

  /**
   * The idempotency key that a provider is sent for a step: a digest of the payment's key and the
   * step's name, so that it is the same after a crash, a take-over, or a fail-over that lost the
   * payment.
   */
  public String providerKey(StepKey<?> step) {
    return ProviderKeys.of(key(), step.name());
  }

  /**
   * Joins the claim to a transaction of the caller's: while that is open, nobody else can take the
   * payment over. Call it before the first write. Needed only in transactions that a step opens by
   * itself; those of database steps are under the claim anyway.
   *
   * @throws ClaimLostException if somebody else has it by now; the transaction can then only be
   *     rolled back, also if this is caught
   */
  public void guard(Tx tx) {
    guard.guard(tx, claim.key(), claim.fence());
  }

  @Override
  public String toString() {
    return "Execution of " + key();
  }
}

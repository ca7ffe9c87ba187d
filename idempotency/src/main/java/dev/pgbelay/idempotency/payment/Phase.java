package dev.pgbelay.idempotency.payment;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Tx;
import org.jspecify.annotations.Nullable;

/**
 * What happens in one transaction: database steps, up to the intent of the next call of a provider,
 * or to the answer. One write at its end, in the message of COMMIT, records all of it under the
 * fence; if that finds the claim gone, the transaction is rolled back. Safe for several threads.
 */
final class Phase<Q, R> {
  /**
   * Where a phase came to.
   *
   * @param response present if the payment has its answer
   * @param asOf by {@link System#nanoTime}, from before that was written
   */
  record Reached<R>(Progress progress, @Nullable R response, long asOf) {}

  private final Declared<Q, R> declared;
  private final PhaseSql sql;
  private final ClaimGuard guard;

  Phase(Declared<Q, R> declared, PhaseSql sql, ClaimGuard guard) {
    this.declared = declared;
    this.sql = sql;
    this.guard = guard;
  }

  /**
   * The first intent of a payment that begins with a call; null where database steps come first.
   */
  @Nullable Progress firstIntent() {
    return declared.steps().after(Progress.NONE) instanceof Step.Provider<Q, ?> step
        ? Progress.NONE.asking(step.name())
        : null;
  }

  PaymentWrite asking(Progress progress) {
    return PaymentWrite.goingOn(declared.steps().version(), progress, declared.lease());
  }

  /**
   * Works from there on. What COMMIT says if the claim is gone, {@link PhaseSql#explained}
   * explains.
   *
   * @throws Exception what a step threw
   */
  Reached<R> advance(Tx tx, Claim<Q> claim, Progress from) throws Exception {
    Progress progress = from;
    Step<Q, ?> next = declared.steps().after(progress);
    while (next instanceof Step.Database<Q, ?> step) {
      progress = progress.recorded(step.name(), run(tx, claim, progress, step));
      next = declared.steps().after(progress);
    }
    int version = declared.steps().version();
    if (next != null) {
      Progress asking = progress.asking(next.name());
      long asOf = System.nanoTime();
      write(tx, claim, asking(asking));
      return new Reached<>(asking, null, asOf);
    }
    R response = declared.respond().run(tx, new Execution<>(claim, progress, guard));
    if (response == null) {
      throw new PgBelayException(
          "operation \"" + declared.name() + "\" responded with null; say what is to be answered");
    }
    byte[] encoded = declared.encode("response", declared.responses(), response);
    write(tx, claim, PaymentWrite.completed(version, progress, encoded));
    return new Reached<>(progress, response, System.nanoTime());
  }

  private <T> byte[] run(Tx tx, Claim<Q> claim, Progress progress, Step.Database<Q, T> step)
      throws Exception {
    T result = step.work().run(tx, new Execution<>(claim, progress, guard));
    if (result == null) {
      throw new PgBelayException("step \"" + step.name() + "\" returned null");
    }
    return declared.encode("result of step \"" + step.name() + "\"", step.key().codec(), result);
  }

  /** What its provider keys begin with; null if nobody will look for the payment by them. */
  byte @Nullable [] providerKey(Claim<Q> claim) {
    return declared.isFoundByProviderKey() ? ProviderKeys.beginning(claim.key()) : null;
  }

  private void write(Tx tx, Claim<Q> claim, PaymentWrite write) {
    if (claim.isNew()) {
      sql.insertWithCommit(tx, claim, write, providerKey(claim));
    } else {
      sql.saveWithCommit(tx, claim.key(), claim.fence(), write);
    }
  }
}

package dev.pgbelay.idempotency.payment;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.idempotency.Outcome;
import dev.pgbelay.idempotency.payment.ProviderCaller.Called;
import java.time.Duration;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Asks providers whose intents are recorded. Safe for several threads. */
final class ProviderStep<Q> {
  private static final Logger LOG = LoggerFactory.getLogger(PaymentOperation.class);

  /** Where an answer goes that nobody waits for any more. */
  interface Late<Q> {
    <T> void came(Claim<Q> claim, StepKey<T> step, ProviderReply<T> reply);
  }

  /**
   * What is known now.
   *
   * @param progress with the result or the refusal, not yet written
   * @param answer present if the payment had to be left
   * @param pause until its next attempt
   */
  record Heard(Progress progress, @Nullable Outcome answer, Duration pause) {}

  private final Declared<Q, ?> declared;
  private final ClaimGuard guard;
  private final ClaimedWrites writes;
  private final PaymentMeters meters;
  private final Late<Q> late;

  ProviderStep(
      Declared<Q, ?> declared,
      ClaimGuard guard,
      ClaimedWrites writes,
      PaymentMeters meters,
      Late<Q> late) {
    this.declared = declared;
    this.guard = guard;
    this.writes = writes;
    this.meters = meters;
    this.late = late;
  }

  /**
   * Asks whoever the payment has an intent for. For the first time only within a lease of the
   * intent: who stood still for longer may have a successor, whose call the provider has forgotten
   * by now, or an operator who has seen that nothing came; the fence tells.
   *
   * @param intent by {@link System#nanoTime}, from before it was written
   * @throws ClaimLostException if it had to be left, and somebody else has it by now
   */
  Heard ask(Claim<Q> claim, Progress progress, String asked, long intent) {
    Step.Provider<Q, ?> step = declared.steps().provider(asked);
    if (step == null) {
      throw new PgBelayException(
          "operation \"" + declared.name() + "\" has no provider step \"" + asked + "\"");
    }
    return ask(step, claim, progress, intent);
  }

  private <T> Heard ask(Step.Provider<Q, T> step, Claim<Q> claim, Progress progress, long intent) {
    Execution<Q> execution = new Execution<>(claim, progress, guard);
    String key = execution.providerKey(step.key());
    boolean asked = claim.askedFor().isPresent();
    if (asked) {
      ProviderReply<T> found = step.caller().find(() -> step.call().find(execution, key));
      meters.found(step.name(), found.kind());
      if (found.isDefinite()) {
        return heard(step, claim, progress, found, true);
      }
    }
    if (!asked && System.nanoTime() - intent > mostIdle(step.limits()).toNanos()) {
      String reason = step.name() + " was not asked: its intent is older than a lease";
      return left(claim, progress.askingNobody(), OpenPayment.State.RUNNING, reason);
    }
    Optional<Duration> askedFor =
        claim.askedFor().map(time -> time.plusNanos(System.nanoTime() - claim.asOf()));
    Called<T> called =
        step.caller()
            .call(
                () -> step.call().call(execution, key),
                askedFor,
                reply -> late.came(claim, step.key(), reply));
    meters.replied(step.name(), called.reply().kind());
    return heard(step, claim, progress, called.reply(), asked || called.sent());
  }

  /** From the intent to the first call. */
  private Duration mostIdle(ProviderLimits limits) {
    Duration window = limits.keyWindow().minus(limits.timeLimit());
    boolean repeats = window.compareTo(Duration.ZERO) > 0;
    return repeats && window.compareTo(declared.lease()) < 0 ? window : declared.lease();
  }

  private <T> Heard heard(
      Step.Provider<Q, T> step,
      Claim<Q> claim,
      Progress progress,
      ProviderReply<T> reply,
      boolean sent) {
    return switch (reply.kind()) {
      case SUCCEEDED -> recorded(step, claim, progress, reply.result().orElseThrow());
      case REFUSED -> refused(step, claim, progress, reply.detail());
      case ABSENT, UNKNOWN ->
          sent
              ? left(
                  claim, progress, OpenPayment.State.UNKNOWN, step.name() + ": " + reply.detail())
              : left(
                  claim,
                  progress.askingNobody(),
                  OpenPayment.State.RUNNING,
                  step.name() + " was not asked: " + reply.detail());
    };
  }

  private <T> Heard recorded(
      Step.Provider<Q, T> step, Claim<Q> claim, Progress progress, T result) {
    byte[] encoded;
    try {
      encoded =
          declared.encode("result of step \"" + step.name() + "\"", step.key().codec(), result);
    } catch (RuntimeException e) {
      LOG.error(
          "payment {}: the provider of step {} acted, and its result cannot be stored",
          claim.key(),
          step.name(),
          e);
      String reason = step.name() + ": result not storable, " + e.getClass().getName();
      return left(claim, progress, OpenPayment.State.UNKNOWN, reason);
    }
    return new Heard(progress.recorded(step.name(), encoded), null, Duration.ZERO);
  }

  private Heard refused(Step.Provider<Q, ?> step, Claim<Q> claim, Progress progress, String code) {
    if (progress.refusal() == null) {
      return new Heard(progress.refused(code), null, Duration.ZERO);
    }
    meters.parked();
    String reason = "compensation \"" + step.name() + "\" was refused: " + code;
    return left(claim, progress, OpenPayment.State.PARKED, reason);
  }

  private Heard left(Claim<Q> claim, Progress progress, OpenPayment.State state, String reason) {
    int attempts = claim.attempts() + 1;
    Duration pause = declared.pauseAfter(attempts);
    writes.leave(claim, progress, state, attempts, reason, pause);
    LOG.warn("payment {} is left {}: {}", claim.key(), state, ProviderReply.cut(reason));
    Outcome answer =
        state == OpenPayment.State.RUNNING ? Outcome.IN_PROGRESS : Outcome.UNKNOWN_OUTCOME;
    return new Heard(progress, answer, pause);
  }
}

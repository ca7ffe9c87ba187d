package dev.pgbelay.idempotency.payment;

/**
 * A declared step.
 *
 * @param <Q> the request
 * @param <T> the result
 */
sealed interface Step<Q, T> {
  StepKey<T> key();

  default String name() {
    return key().name();
  }

  record Database<Q, T>(StepKey<T> key, DatabaseStep<Q, T> work) implements Step<Q, T> {}

  record Provider<Q, T>(
      StepKey<T> key, ProviderCall<Q, T> call, ProviderLimits limits, ProviderCaller<T> caller)
      implements Step<Q, T> {}
}

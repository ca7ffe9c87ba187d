package dev.pgbelay.idempotency.payment;

/**
 * A call of another service, whose effect no rollback takes back.
 *
 * <p>Called with no transaction open on the thread, on a thread of the {@link Payments}' own, by
 * several threads for several keys at once.
 *
 * @param <Q> the request
 * @param <T> the result, never null
 */
@FunctionalInterface
public interface ProviderCall<Q, T> {
  /**
   * Asks the provider to act. That it was about to be asked is committed before. Anything thrown
   * means that it may have acted; only a {@link ProviderReply#refused} says that it has not.
   *
   * @param providerKey goes to the provider as its idempotency key: the same one for each call for
   *     this step of this payment, 40 hexadecimal digits
   */
  ProviderReply<T> call(Execution<Q> execution, String providerKey) throws Exception;

  /**
   * Asks the provider what became of an earlier call, without acting. Anything thrown means that
   * this is still not known.
   *
   * @param providerKey the one that the call was made with
   */
  default ProviderReply<T> find(Execution<Q> execution, String providerKey) throws Exception {
    return ProviderReply.unknown("the provider has no status query");
  }

  /** A call and its status query. */
  static <Q, T> ProviderCall<Q, T> of(ProviderCall<Q, T> call, ProviderCall<Q, T> find) {
    return new ProviderCall<>() {
      @Override
      public ProviderReply<T> call(Execution<Q> execution, String providerKey) throws Exception {
        return call.call(execution, providerKey);
      }

      @Override
      public ProviderReply<T> find(Execution<Q> execution, String providerKey) throws Exception {
        return find.call(execution, providerKey);
      }
    };
  }
}

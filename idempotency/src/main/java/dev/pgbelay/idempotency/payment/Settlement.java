package dev.pgbelay.idempotency.payment;

/** What became of a reply that came by another way than as the answer of the call. */
public enum Settlement {
  /** It was recorded; the payment goes on with its next step. */
  SETTLED,
  /** The step had a result before, or the payment is finished. Nothing was changed. */
  ALREADY_KNOWN,
  /** The payment has not asked the provider for this step, or not yet. Nothing was changed. */
  NOT_ASKED,
  /** There is no payment under the key. Nothing was changed. */
  NO_SUCH_KEY
}

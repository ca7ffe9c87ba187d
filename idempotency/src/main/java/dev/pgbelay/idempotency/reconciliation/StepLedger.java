package dev.pgbelay.idempotency.reconciliation;

import dev.pgbelay.idempotency.IdempotencyKey;
import dev.pgbelay.idempotency.payment.Execution;
import dev.pgbelay.idempotency.payment.OpenPayment;
import dev.pgbelay.idempotency.payment.PaymentOperation;
import dev.pgbelay.idempotency.payment.ProviderReply;
import java.time.Duration;
import java.time.Instant;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;

/**
 * What is stored of one provider step, payment by payment: {@link PaymentOperation#ledger}.
 *
 * <p>For {@link Reconciliation}, and for reports of your own; not to be implemented. Pages are read
 * along an index, each in a transaction of its own, from the node that payments are written on.
 * Only {@link #settle} changes anything. Blocks; safe for several threads.
 *
 * @param <Q> the request
 * @param <T> the step's result
 */
public interface StepLedger<Q, T> {
  /** Where a payment stands with the step. */
  enum Standing {
    /** The provider was not asked, so far. */
    NOT_ASKED,
    /** It was asked, or is about to be, and what it did is not recorded. */
    ASKED,
    /** It acted. */
    SUCCEEDED,
    /** It acted, and the compensation was asked for and has no result. */
    BEING_TAKEN_BACK,
    /** It acted, and the compensation did so too. */
    TAKEN_BACK,
    /** The payment was refused, by this provider or before; nothing should have been done. */
    REFUSED
  }

  /**
   * One payment, as it was when it was read; times are the database's.
   *
   * @param key its name
   * @param providerKey that the provider of the step is sent
   * @param state of the payment
   * @param standing of the step
   * @param held whether somebody carries the payment on just now
   * @param begunAt before which nobody was asked
   * @param askedAt when the provider was first asked; present exactly for {@link Standing#ASKED}
   * @param finishedAt behind which nobody is asked; empty while it is open
   * @param restsSince nothing about the step was recorded later; empty while it is at work
   * @param execution reads request and results; may throw {@link dev.pgbelay.core.PgBelayException}
   *     if a codec cannot
   */
  record Entry<Q>(
      IdempotencyKey key,
      String providerKey,
      OpenPayment.State state,
      Standing standing,
      boolean held,
      Instant begunAt,
      Optional<Instant> askedAt,
      Optional<Instant> finishedAt,
      Optional<Instant> restsSince,
      Supplier<Execution<Q>> execution) {}

  /** The name of the operation. */
  String operation();

  /** The name of the step. */
  String step();

  /** How long finished payments are kept. */
  Duration retention();

  /** For how long the step's provider answers a repeated key without acting again. */
  Duration keyWindow();

  /** How long after the first call the step's provider can be asked again, time limit included. */
  Duration repeatedFor();

  /** The idempotency key that the step's provider is sent for a payment. */
  String providerKey(IdempotencyKey key);

  /**
   * A page of those that have no answer, in the order of their keys.
   *
   * @param after the last one of the page before; empty for the first page
   * @param limit 1 to 100,000
   */
  List<Entry<Q>> open(Optional<IdempotencyKey> after, int limit);

  /**
   * A page of those that are finished, in the order in which they were.
   *
   * @param since no earlier than this
   * @param after the last one of the page before, by whose {@code finishedAt} it goes on; empty for
   *     the first page
   * @param limit 1 to 100,000
   */
  List<Entry<Q>> finished(Instant since, Optional<Entry<Q>> after, int limit);

  /** Those of the keys that there are, as they are now. */
  Map<IdempotencyKey, Entry<Q>> find(Collection<IdempotencyKey> keys);

  /**
   * Asks the provider what became of the call, by the step's own status query and within its
   * limits. No transaction may be open on this thread.
   */
  ProviderReply<T> ask(Entry<Q> entry);

  /** As {@link PaymentOperation#settle}, for this step. */
  PaymentOperation.Settlement settle(IdempotencyKey key, ProviderReply<T> reply);
}

package dev.pgbelay.idempotency.reconciliation;

import dev.pgbelay.idempotency.IdempotencyKey;
import dev.pgbelay.idempotency.payment.OpenPayment;
import java.util.List;
import java.util.Optional;

/**
 * A difference between the provider and what is stored.
 *
 * <p>Immutable.
 *
 * @param kind what differs
 * @param action what is suggested; nothing is done by itself
 * @param payment which it is about; empty where only the provider knows of it
 * @param state of the payment when it was looked at last; empty where there is none
 * @param records of the provider that it is about
 * @param expected what the payment was to charge, where amounts are compared
 * @param confirmed for {@link Kind#MISSING_THERE}: whether the provider's status query agreed with
 *     its list; true for all others, which rest on a record that was seen
 * @param detail in a few words, without what was in a request
 */
public record Finding(
    Kind kind,
    Action action,
    Optional<IdempotencyKey> payment,
    Optional<OpenPayment.State> state,
    List<ProviderRecord> records,
    Optional<Amount> expected,
    boolean confirmed,
    String detail) {

  /** What differs. */
  public enum Kind {
    /** The provider did something for which there is no payment. */
    MISSING_HERE,
    /** The provider has nothing of what is stored as done, or as asked for. */
    MISSING_THERE,
    /** The amounts or currencies differ. */
    AMOUNT_DIFFERS,
    /** One side says that it was done, the other that it was not, or does not know. */
    STATE_DIFFERS,
    /** The provider did it more than once for one payment. */
    DUPLICATE
  }

  /** What to do about it. */
  public enum Action {
    /** The outcome is unknown here, and the provider did it: settle as succeeded. */
    SETTLE_SUCCEEDED,
    /** The outcome is unknown here, and the provider declined: settle as refused. */
    SETTLE_REFUSED,
    /** The outcome is unknown here, the provider has nothing, and nobody asks it again. */
    SETTLE_NOT_DONE,
    /** It was done though it should not have been: take back each of the finding's records. */
    REFUND,
    /**
     * It was done several times under the payment's own provider key: take back all of the
     * finding's records but the one whose result is stored, or any one where none is stored yet.
     */
    REFUND_ALL_BUT_ONE,
    /** It was done, or taken back, and is not booked here: book it. */
    BOOK,
    /** Neither side can be right by itself. */
    ASK_OPERATOR
  }

  /** Copies the list. */
  public Finding {
    records = List.copyOf(records);
  }

  Finding agreedByStatusQuery() {
    return new Finding(kind, action, payment, state, records, expected, true, detail);
  }

  /** The list did not show it, and the status query says that it was declined. */
  Finding declinedAsStatusQuerySays(Action then) {
    return new Finding(
        Kind.STATE_DIFFERS,
        then,
        payment,
        state,
        records,
        expected,
        true,
        "not in the provider's list, and declined as its status query says");
  }
}

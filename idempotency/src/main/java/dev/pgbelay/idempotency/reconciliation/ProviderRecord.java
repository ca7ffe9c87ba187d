package dev.pgbelay.idempotency.reconciliation;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.idempotency.IdempotencyKey;
import java.time.Instant;
import java.util.Optional;

/**
 * One charge, or whatever the step asks for, as the provider has it.
 *
 * <p>Immutable.
 *
 * @param id the provider's own name for it: 1 to 200 characters
 * @param providerKey the idempotency key that it was asked for with, from where the provider keeps
 *     it, such as its metadata; empty if it was not asked for by us
 * @param payment the payment's own key, if that was sent along as metadata: with it, a charge under
 *     another provider key is found to be the second one of its payment
 * @param amount of it
 * @param state where it stands
 * @param createdAt by the provider's clock
 */
public record ProviderRecord(
    String id,
    Optional<String> providerKey,
    Optional<IdempotencyKey> payment,
    Amount amount,
    State state,
    Instant createdAt) {
  private static final int LONGEST = 200;

  /** Where it stands at the provider. */
  public enum State {
    /** Not decided yet. */
    PENDING,
    /** It was done. */
    SUCCEEDED,
    /** It was refused or has failed: nothing was done. */
    DECLINED,
    /** It was done, and taken back. */
    REVERSED
  }

  /**
   * Checks the names.
   *
   * @throws PgBelayException naming the part and the rule
   */
  public ProviderRecord {
    requireName("id", id);
    providerKey.ifPresent(key -> requireName("providerKey", key));
  }

  private static void requireName(String part, String value) {
    if (value.isEmpty() || value.length() > LONGEST || value.indexOf('\0') >= 0) {
      throw new PgBelayException(
          "the "
              + part
              + " of a provider's record must have 1 to "
              + LONGEST
              + " characters, has "
              + value.length());
    }
  }

  /** Whether it was done, and not taken back. */
  boolean stands() {
    return state == State.SUCCEEDED;
  }
}

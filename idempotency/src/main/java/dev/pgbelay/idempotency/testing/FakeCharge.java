package dev.pgbelay.idempotency.testing;

import dev.pgbelay.core.PgBelayException;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * A charge as a {@link FakeProvider} has it: what really happened, whatever anybody was told.
 *
 * <p>Immutable. On the wire it is a form, {@code id=ch-1&key=…}.
 *
 * @param id the provider's own
 * @param key the idempotency key that it was asked for with
 * @param reference the caller's name for it
 * @param amount in the smallest unit of the currency
 * @param currency as it was sent
 * @param state where it stands
 * @param at when, by the provider's clock
 */
public record FakeCharge(
    String id,
    String key,
    String reference,
    long amount,
    String currency,
    State state,
    Instant at) {
  /** Where a charge stands. */
  public enum State {
    /** The money was taken. */
    SUCCEEDED,
    /** Refused for good; nothing was taken. */
    DECLINED,
    /** Taken, and given back. */
    REFUNDED
  }

  /** Whether money was taken, given back or not. */
  public boolean hasTakenEffect() {
    return state != State.DECLINED;
  }

  FakeCharge refunded() {
    return new FakeCharge(id, key, reference, amount, currency, State.REFUNDED, at);
  }

  /** The form that stands for it on the wire. */
  public String format() {
    return FormText.format(fields());
  }

  Map<String, String> fields() {
    Map<String, String> fields = new LinkedHashMap<>();
    fields.put("id", id);
    fields.put("key", key);
    fields.put("reference", reference);
    fields.put("amount", Long.toString(amount));
    fields.put("currency", currency);
    fields.put("state", state.name());
    fields.put("at", at.toString());
    return fields;
  }

  /**
   * Reads what {@link #format} writes.
   *
   * @throws PgBelayException if it is something else
   */
  public static FakeCharge parse(String form) {
    return of(FormText.parse(form));
  }

  static FakeCharge of(Map<String, String> fields) {
    try {
      return new FakeCharge(
          FormText.require(fields, "id"),
          FormText.require(fields, "key"),
          FormText.require(fields, "reference"),
          Long.parseLong(FormText.require(fields, "amount")),
          FormText.require(fields, "currency"),
          State.valueOf(FormText.require(fields, "state")),
          Instant.parse(FormText.require(fields, "at")));
    } catch (IllegalArgumentException | java.time.DateTimeException e) {
      throw new PgBelayException("this is no charge of a fake provider", e);
    }
  }
}

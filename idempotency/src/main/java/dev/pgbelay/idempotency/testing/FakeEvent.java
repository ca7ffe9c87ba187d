package dev.pgbelay.idempotency.testing;

import dev.pgbelay.core.PgBelayException;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * What a {@link FakeProvider} tells by webhook: a state that a charge came to.
 *
 * <p>Immutable. On the wire it is a form, {@code event=ev-1&occurred=…} and the charge's fields.
 *
 * @param id of the event; the same each time it is delivered
 * @param occurred when it happened; events can arrive in any order
 * @param charge as it was then
 */
public record FakeEvent(String id, Instant occurred, FakeCharge charge) {

  /** The form that stands for it on the wire. */
  public String format() {
    Map<String, String> fields = new LinkedHashMap<>();
    fields.put("event", id);
    fields.put("occurred", occurred.toString());
    fields.putAll(charge.fields());
    return FormText.format(fields);
  }

  /**
   * Reads what {@link #format} writes.
   *
   * @throws PgBelayException if it is something else
   */
  public static FakeEvent parse(String form) {
    Map<String, String> fields = FormText.parse(form);
    try {
      return new FakeEvent(
          FormText.require(fields, "event"),
          Instant.parse(FormText.require(fields, "occurred")),
          FakeCharge.of(fields));
    } catch (DateTimeException e) {
      throw new PgBelayException("this is no event of a fake provider", e);
    }
  }
}

package dev.pgbelay.idempotency;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.idempotency.internal.KeyRules;

/**
 * Names one intention of one client: the same key means "once more, if you have not done it yet".
 * Two tenants never meet in one key, nor do two operations.
 *
 * <p>Keys are identifiers, not secrets: they stand in exceptions and logs. Immutable and safe for
 * several threads.
 *
 * @param tenant on whose behalf, taken from who was authenticated and never from the request's
 *     body; 1 to 128 printable ASCII characters
 * @param operation what is to be done; 1 to 50 of a-z, 0-9, dot and hyphen, a letter first
 * @param key what the client sent; 1 to 255 printable ASCII characters
 */
public record IdempotencyKey(String tenant, String operation, String key) {

  /**
   * Checks all three.
   *
   * @throws PgBelayException naming the part and the rule; without the value, which somebody else
   *     sent
   */
  public IdempotencyKey {
    KeyRules.requireTenant(tenant);
    KeyRules.requireOperation(operation);
    KeyRules.requireKey(key);
  }

  @Override
  public String toString() {
    return tenant + "/" + operation + "/" + key;
  }
}

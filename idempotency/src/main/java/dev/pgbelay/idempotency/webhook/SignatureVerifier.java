package dev.pgbelay.idempotency.webhook;

import java.util.List;
import java.util.function.Function;

/**
 * Says whether a provider sent what came in. {@link HmacSignatures} and {@link StandardWebhooks} do
 * it for providers that sign with a shared secret; implement this for others.
 *
 * <p>Called before anything of the body is read or stored, by several threads at once. An
 * implementation compares in constant time, and neither logs nor returns secrets or the body.
 */
@FunctionalInterface
public interface SignatureVerifier {
  /**
   * Checks one message.
   *
   * @param headers the values of a header by its name in lower case; an empty list where it is
   *     missing
   * @param body the bytes as they came over the wire: a body that was parsed and written again has
   *     another signature
   */
  SignatureVerdict verify(Function<String, List<String>> headers, byte[] body);
}

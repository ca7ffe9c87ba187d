package dev.pgbelay.idempotency.webhook;

import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.function.Function;

/**
 * Finds the provider's id in a delivery: the one that is the same each time it is sent. Called once
 * the signature is known to be right, by several threads at once.
 */
@FunctionalInterface
public interface EventIds {
  /**
   * The event's id.
   *
   * @param headers the values of a header by its name in lower case
   * @param body as it came
   * @return empty if there is none: the delivery is refused
   * @throws Exception if it cannot be read: the delivery is refused too
   */
  Optional<String> find(Function<String, List<String>> headers, byte[] body) throws Exception;

  /** Of providers that send the id as a header. Two such headers are none. */
  static EventIds header(String name) {
    String lower = name.toLowerCase(Locale.ROOT);
    return (headers, body) ->
        Optional.of(headers.apply(lower)).filter(ids -> ids.size() == 1).map(ids -> ids.get(0));
  }
}

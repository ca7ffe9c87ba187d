package dev.pgbelay.idempotency.webhook;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.idempotency.Codec;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.Function;

/**
 * How headers and body become bytes and come back. Safe for several threads, as the codec is.
 *
 * @param kept names of headers in lower case
 */
record EventContent(String provider, Set<String> kept, Codec<byte[]> codec) {

  /** One line for each value. A value has no line breaks: those that do are not kept. */
  byte[] headers(Function<String, List<String>> headers) {
    StringBuilder lines = new StringBuilder();
    for (String name : kept) {
      for (String value : headers.apply(name)) {
        if (value.indexOf('\n') < 0 && value.indexOf('\r') < 0) {
          lines.append(name).append(':').append(value).append('\n');
        }
      }
    }
    return encode(lines.toString().getBytes(StandardCharsets.UTF_8));
  }

  byte[] encode(byte[] plain) {
    return Objects.requireNonNull(codec.encode(plain), "the codec returned null");
  }

  /**
   * Reads what was stored.
   *
   * @throws PgBelayException if the codec cannot; without its own exception, whose message may hold
   *     what was stored
   */
  WebhookEvent event(EventRow row, int attempt) {
    try {
      return new WebhookEvent(
          provider,
          row.id(),
          row.receivedAt(),
          attempt,
          parse(new String(decode(row.headers()), StandardCharsets.UTF_8)),
          decode(row.body()));
    } catch (Exception e) {
      throw new PgBelayException(
          "the content of event "
              + provider
              + "/"
              + row.id()
              + " cannot be read ("
              + e.getClass().getName()
              + "): its codec must read what older versions wrote");
    }
  }

  private byte[] decode(byte[] bytes) throws Exception {
    return Objects.requireNonNull(codec.decode(bytes), "the codec returned null");
  }

  private static Map<String, List<String>> parse(String lines) {
    Map<String, List<String>> headers = new LinkedHashMap<>();
    lines
        .lines()
        .forEach(
            line -> {
              int colon = line.indexOf(':');
              headers
                  .computeIfAbsent(line.substring(0, colon), name -> new ArrayList<>())
                  .add(line.substring(colon + 1));
            });
    headers.replaceAll((name, values) -> List.copyOf(values));
    return headers;
  }
}

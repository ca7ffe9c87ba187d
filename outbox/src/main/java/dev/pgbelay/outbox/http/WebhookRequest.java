package dev.pgbelay.outbox.http;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.pgbelay.outbox.Message;
import java.net.http.HttpRequest;
import java.time.Duration;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;

/** A message as a request. */
record WebhookRequest(String contentType, Duration timeout) {
  private static final Pattern TOKEN = Pattern.compile("[!#$%&'*+.^_`|~0-9A-Za-z-]+");

  /** What the connection or the signature says; a producer does not. */
  private static final Set<String> RESERVED =
      Set.of(
          "connection",
          "content-length",
          "content-encoding",
          "date",
          "expect",
          "from",
          "host",
          "keep-alive",
          "origin",
          "referer",
          "te",
          "trailer",
          "transfer-encoding",
          "upgrade",
          "via",
          "warning",
          "authorization",
          "cookie",
          "proxy-authorization");

  HttpRequest of(WebhookEndpoint endpoint, Message message, long epochSecond) {
    String id = escaped(message.messageId());
    HttpRequest.Builder request =
        HttpRequest.newBuilder(endpoint.uri())
            .timeout(timeout)
            .POST(HttpRequest.BodyPublishers.ofByteArray(message.payload()))
            .setHeader("content-type", contentType);
    for (Map.Entry<String, String> header : message.headers().entrySet()) {
      if (mayTravel(header.getKey())) {
        request.setHeader(header.getKey(), escaped(header.getValue()));
      }
    }
    request
        .setHeader("webhook-id", id)
        .setHeader("webhook-timestamp", Long.toString(epochSecond))
        .setHeader("webhook-signature", endpoint.secrets().sign(id, epochSecond, message.payload()))
        .setHeader("pgbelay-topic", escaped(message.topic()))
        .setHeader("pgbelay-claim", escaped(message.claim()))
        .setHeader("pgbelay-attempt", Integer.toString(message.attempt()));
    message.key().ifPresent(key -> request.setHeader("pgbelay-key", escaped(key)));
    message.type().ifPresent(type -> request.setHeader("pgbelay-type", escaped(type)));
    if (message.replay()) {
      request.setHeader("pgbelay-replay", "true");
    }
    return request.build();
  }

  private static boolean mayTravel(String name) {
    String lower = name.toLowerCase(Locale.ROOT);
    return TOKEN.matcher(name).matches()
        && !RESERVED.contains(lower)
        && !lower.startsWith("webhook-")
        && !lower.startsWith("pgbelay-");
  }

  /**
   * Printable ASCII as it is, anything else and the percent sign as bytes of UTF-8 in the manner of
   * URIs: a line break in a key must not begin a header.
   */
  static String escaped(String value) {
    StringBuilder text = new StringBuilder(value.length());
    for (byte unit : value.getBytes(UTF_8)) {
      if (unit >= 0x20 && unit < 0x7f && unit != '%') {
        text.append((char) unit);
      } else {
        text.append(String.format(Locale.ROOT, "%%%02X", unit & 0xff));
      }
    }
    // Blanks at the ends are not part of a header's value.
    String plain = text.toString();
    String stripped = plain.strip();
    return plain.equals(stripped) ? plain : plain.replace(" ", "%20");
  }
}

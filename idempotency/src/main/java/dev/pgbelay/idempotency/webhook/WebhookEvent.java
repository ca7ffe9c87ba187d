package dev.pgbelay.idempotency.webhook;

import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** One delivery of an event, as it was stored. Immutable and safe for several threads. */
public final class WebhookEvent {
  private final String provider;
  private final String id;
  private final Instant receivedAt;
  private final int attempt;
  private final Map<String, List<String>> headers;
  private final byte[] body;

  WebhookEvent(
      String provider,
      String id,
      Instant receivedAt,
      int attempt,
      Map<String, List<String>> headers,
      byte[] body) {
    this.provider = provider;
    this.id = id;
    this.receivedAt = receivedAt;
    this.attempt = attempt;
    this.headers = headers;
    this.body = body;
  }

  public String provider() {
    return provider;
  }

  /** The provider's. */
  public String id() {
    return id;
  }

  /** When it was first stored, by the database's clock. */
  public Instant receivedAt() {
    return receivedAt;
  }

  /** From 1, counted anew after each "not yet"; 0 for an event that nobody handles just now. */
  public int attempt() {
    return attempt;
  }

  /** Of the headers that the inbox keeps; an empty list where there was none. */
  public List<String> header(String name) {
    return headers.getOrDefault(name.toLowerCase(Locale.ROOT), List.of());
  }

  /** As it came over the wire; a copy. */
  public byte[] body() {
    return body.clone();
  }

  /** The body read as UTF-8. */
  public String text() {
    return new String(body, StandardCharsets.UTF_8);
  }

  /** Without headers and body. */
  @Override
  public String toString() {
    return provider + "/" + id;
  }
}

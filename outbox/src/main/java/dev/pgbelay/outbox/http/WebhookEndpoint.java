package dev.pgbelay.outbox.http;

import java.net.URI;

/**
 * Where a webhook goes, and what signs it.
 *
 * @param uri absolute, {@code https} unless the publisher allows more, without user and fragment
 * @param secrets shared with the receiver
 */
public record WebhookEndpoint(URI uri, WebhookSecrets secrets) {
  /** Without path and query, which may hold a secret of the receiver's. */
  @Override
  public String toString() {
    return "WebhookEndpoint[" + uri.getScheme() + "://" + uri.getHost() + ", " + secrets + "]";
  }
}

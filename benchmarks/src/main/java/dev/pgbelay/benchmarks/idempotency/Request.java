package dev.pgbelay.benchmarks.idempotency;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;

/**
 * A request as it comes from a client, with the key it chose.
 *
 * @param key a UUID
 */
record Request(String key, long account, long amount) {
  byte[] body() {
    return ("{\"account\":" + account + ",\"amount\":" + amount + "}")
        .getBytes(StandardCharsets.UTF_8);
  }

  byte[] hash() {
    try {
      return MessageDigest.getInstance("SHA-256").digest(body());
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java has SHA-256", e);
    }
  }

  /** The response that this request has. */
  String response() {
    return "{\"charged\": " + amount + "}";
  }
}

package dev.pgbelay.benchmarks.idempotency;

import dev.pgbelay.idempotency.Codec;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;

/**
 * A request as it comes from a client, with the key it chose.
 *
 * @param key a UUID
 */
record Request(String key, long account, long amount) {
  /** For whoever carries a payment on after a crash. */
  static final Codec<Request> CODEC =
      new Codec<>() {
        @Override
        public byte[] encode(Request request) {
          return (request.key + ' ' + request.account + ' ' + request.amount)
              .getBytes(StandardCharsets.US_ASCII);
        }

        @Override
        public Request decode(byte[] bytes) {
          String[] parts = new String(bytes, StandardCharsets.US_ASCII).split(" ", -1);
          return new Request(parts[0], Long.parseLong(parts[1]), Long.parseLong(parts[2]));
        }
      };

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

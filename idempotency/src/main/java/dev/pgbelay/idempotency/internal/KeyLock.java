package dev.pgbelay.idempotency.internal;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.idempotency.IdempotencyKey;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;

/**
 * The number of the advisory lock that stands for a key: the first 64 bits of a SHA-256. Two keys
 * with one number keep each other waiting, and no more: what a key's row says is decided by its
 * whole name.
 */
public final class KeyLock {
  private static final byte[] DOMAIN =
      "pgbelay idempotency key 1".getBytes(StandardCharsets.US_ASCII);

  private KeyLock() {}

  public static long number(IdempotencyKey key) {
    return ByteBuffer.wrap(digest(key, "")).getLong();
  }

  /**
   * A digest of the key and of what is done under it. No part runs into the next one: a key holds
   * no character below the space.
   */
  public static byte[] digest(IdempotencyKey key, String what) {
    String name = key.tenant() + '\0' + key.operation() + '\0' + key.key() + '\0' + what;
    MessageDigest sha = sha256();
    sha.update(DOMAIN);
    return sha.digest(name.getBytes(StandardCharsets.UTF_8));
  }

  private static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new PgBelayException("this Java has no SHA-256, which every one must have", e);
    }
  }
}

package dev.pgbelay.lock;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;

/**
 * Turns names into the 64-bit keys of advisory locks: 16 bits of the class, then 48 bits of the
 * name. SHA-256, so that the same name is the same key in every process and version.
 */
final class LockName {
  private LockName() {}

  static long key(String lockClass, String name) {
    return (number(lockClass) << 48) | (hash(name) >>> 16);
  }

  /** 0 to 65535. */
  static long number(String lockClass) {
    return hash(lockClass) >>> 48;
  }

  private static long hash(String text) {
    try {
      byte[] digest =
          MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8));
      return ByteBuffer.wrap(digest).getLong();
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every JVM has SHA-256", e);
    }
  }
}

package dev.pgbelay.outbox;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;

/** Where the messages of a key are, and by which number their strict producers lock it. */
final class KeyPlace {
  /** For ever: another number would put messages of one key into two lanes. */
  static final int LANES = 32;

  /** Only copied: to look one up among the providers takes longer than to use it. */
  private static final MessageDigest SHA_256 = sha256();

  private KeyPlace() {}

  static int lane(String key) {
    return (int) Math.floorMod(digest(key), (long) LANES);
  }

  /** Two outboxes of one database do not lock each other out, nor what others lock by a key. */
  static long lock(String schema, String key) {
    return digest("pgbelay.outbox\0" + schema + "\0" + key);
  }

  private static long digest(String text) {
    MessageDigest sha = copy();
    return ByteBuffer.wrap(sha.digest(text.getBytes(StandardCharsets.UTF_8))).getLong();
  }

  private static MessageDigest copy() {
    try {
      return (MessageDigest) SHA_256.clone();
    } catch (CloneNotSupportedException e) {
      // A provider need not offer it.
      return sha256();
    }
  }

  private static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java platform has SHA-256", e);
    }
  }
}

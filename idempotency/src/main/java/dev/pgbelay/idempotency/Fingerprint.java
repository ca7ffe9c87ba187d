package dev.pgbelay.idempotency;

import dev.pgbelay.core.PgBelayException;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.regex.Pattern;

/**
 * Tells whether two requests under one key mean the same. It is kept with the key and compared as
 * soon as somebody else's row is seen: the same key with another request is a mistake of the
 * client, and gets neither an answer that belongs to another request nor a run of its own.
 *
 * <p>Immutable and safe for several threads.
 *
 * @param version of the rules that made the canonical form, 1 to 32,767: fingerprints of different
 *     versions cannot be compared, and a mismatch of versions alone counts as equal
 * @param sha256 of the canonical form, 64 lower-case hexadecimal digits
 */
public record Fingerprint(int version, String sha256) {
  private static final Pattern HEX = Pattern.compile("[0-9a-f]{64}");

  /**
   * Checks the parts.
   *
   * @throws PgBelayException if a part is out of its range
   */
  public Fingerprint {
    if (version < 1 || version > Short.MAX_VALUE) {
      throw new PgBelayException(
          "the version of a fingerprint must be 1 to " + Short.MAX_VALUE + ", is " + version);
    }
    if (!HEX.matcher(sha256).matches()) {
      throw new PgBelayException("a fingerprint must be 64 lower-case hexadecimal digits");
    }
  }

  /**
   * Of bytes that are in canonical form already.
   *
   * @param version of the rules that made them
   */
  public static Fingerprint of(int version, byte[] canonical) {
    return new Fingerprint(version, HexFormat.of().formatHex(digest(canonical)));
  }

  private static byte[] digest(byte[] canonical) {
    try {
      return MessageDigest.getInstance("SHA-256").digest(canonical);
    } catch (NoSuchAlgorithmException e) {
      throw new PgBelayException("this Java has no SHA-256, which every one must have", e);
    }
  }

  /**
   * Whether {@code other} can be the fingerprint of the same request. With another version that
   * cannot be told, and the answer is yes: a deployment with new rules must not refuse the retries
   * of requests that the old one took.
   */
  public boolean mayMatch(Fingerprint other) {
    return version != other.version || sha256.equals(other.sha256);
  }
}

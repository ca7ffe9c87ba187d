package dev.pgbelay.idempotency;

import dev.pgbelay.core.PgBelayException;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * Tells whether two requests under one key mean the same. It is kept with the key and compared as
 * soon as somebody else's row is seen: the same key with another request is a mistake of the
 * client, and gets neither an answer that belongs to another request nor a run of its own.
 *
 * <p>Immutable and safe for several threads.
 *
 * @param version of the rules that made the canonical form, 1 to 32,767: fingerprints of different
 *     versions cannot be compared
 * @param sha256 of the canonical form, 64 lower-case hexadecimal digits
 * @param others of the same request by the rules of other versions, which rows may hold: see {@link
 *     #accepting}; not stored
 */
public record Fingerprint(int version, String sha256, List<Fingerprint> others) {
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
    others = List.copyOf(others);
    Set<Integer> versions = new HashSet<>(Set.of(version));
    for (Fingerprint other : others) {
      if (!versions.add(other.version)) {
        throw new PgBelayException(
            "two fingerprints of one request have version "
                + other.version
                + ": every change of the rule needs a version of its own");
      }
      if (!other.others.isEmpty()) {
        throw new PgBelayException("the fingerprint of another version must stand alone");
      }
    }
  }

  /**
   * Of one version alone.
   *
   * @throws PgBelayException if a part is out of its range
   */
  public Fingerprint(int version, String sha256) {
    this(version, sha256, List.of());
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
   * This one, which is stored with new keys, and by the rule of another version, with which keys of
   * before a deployment are compared.
   *
   * @param other of the same request; what it accepts is accepted as well
   * @throws PgBelayException if two have one version
   */
  public Fingerprint accepting(Fingerprint other) {
    List<Fingerprint> accepted = new ArrayList<>(others);
    accepted.add(new Fingerprint(other.version, other.sha256));
    accepted.addAll(other.others);
    return new Fingerprint(version, sha256, accepted);
  }

  /**
   * Whether the request that {@code stored} is of is this one, by the rule of its version.
   *
   * @throws PgBelayException if this has no fingerprint of that version: neither that the requests
   *     are the same nor that they differ can be said then, and nothing is done
   */
  public boolean matches(Fingerprint stored) {
    if (version == stored.version) {
      return sha256.equals(stored.sha256);
    }
    for (Fingerprint other : others) {
      if (other.version == stored.version) {
        return other.sha256.equals(stored.sha256);
      }
    }
    throw new PgBelayException(
        "the key was taken with a fingerprint of version "
            + stored.version
            + ", and this request has one of version "
            + version
            + (others.isEmpty() ? "" : " and of " + others.size() + " others")
            + ": whether it is the same request cannot be told. Nothing was done. Let the rule"
            + " accept the one of version "
            + stored.version
            + " until its answers are purged");
  }
}

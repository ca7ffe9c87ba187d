package dev.pgbelay.core.token;

import static dev.pgbelay.core.token.InvalidTokenException.Reason.BAD_SIGNATURE;
import static dev.pgbelay.core.token.InvalidTokenException.Reason.EXPIRED;
import static dev.pgbelay.core.token.InvalidTokenException.Reason.MALFORMED;
import static dev.pgbelay.core.token.InvalidTokenException.Reason.OVER_LONG;
import static dev.pgbelay.core.token.InvalidTokenException.Reason.UNKNOWN_KEY;
import static dev.pgbelay.core.token.InvalidTokenException.Reason.WRONG_VERSION;
import static java.nio.charset.StandardCharsets.ISO_8859_1;

import dev.pgbelay.core.PgBelayException;
import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Signs small payloads into URL-safe tokens and gets them back unchanged, or not at all.
 *
 * <p>A token is unpadded base64url of {@code version(1) flags(1) nameLength(1) keyName [expiry(5)]
 * payload tag(16|32)}. The tag is HMAC-SHA-256 under a key derived from the ring's secret and the
 * signer's <em>purpose</em>, so that a token made for one purpose is a forgery to every other. The
 * payload is signed, not encrypted: whoever holds the token can read it.
 *
 * <p>Overhead before base64: 3 bytes, the key name, 5 bytes if the token expires, and the tag. The
 * tag's length belongs to the signer, never to the token, so that nobody can ask for a shorter one.
 *
 * <p>Nothing here blocks. Immutable and safe for use by several threads. The JVM's wall clock is
 * read only where a token expires.
 */
public final class TokenSigner {
  private static final byte VERSION = 1;
  private static final int EXPIRES = 1;
  private static final int EXPIRY_BYTES = 5;
  private static final int HEADER_BYTES = 3;
  private static final int FULL_TAG_BYTES = 32;
  private static final int TRUNCATED_TAG_BYTES = 16;
  private static final long MAX_EPOCH_SECOND = (1L << (8 * EXPIRY_BYTES)) - 1;

  private static final Base64.Encoder ENCODER = Base64.getUrlEncoder().withoutPadding();
  private static final Base64.Decoder DECODER = Base64.getUrlDecoder();

  private final String purpose;
  private final int maxChars;
  private final int tagBytes;
  private final InstantSource clock;
  private final SigningKey current;
  private final Map<String, SigningKey> keys;

  private TokenSigner(Builder builder) {
    purpose = builder.purpose;
    maxChars = builder.maxChars;
    tagBytes = builder.tagBytes;
    clock = builder.clock;
    Map<String, SigningKey> derived = new HashMap<>();
    for (String name : builder.ring.names()) {
      byte[] secret = Objects.requireNonNull(builder.ring.secret(name));
      derived.put(name, new SigningKey(name, secret, purpose));
    }
    keys = Map.copyOf(derived);
    current = Objects.requireNonNull(keys.get(builder.ring.currentName()));
  }

  /**
   * A builder with full tags and a bound of 2048 characters.
   *
   * @param purpose what the tokens are for, for example {@code pgbelay.keyset.cursor/1}; not in the
   *     token, but a token verifies only under the purpose it was signed for
   */
  public static Builder builder(KeyRing ring, String purpose) {
    return new Builder(ring, purpose);
  }

  /** A token that does not expire by itself. */
  public String sign(byte[] payload) {
    return sign(payload, null);
  }

  /**
   * A token that verifies until {@code timeToLive} from now, to the second, rounded up.
   *
   * @throws PgBelayException if the token would be longer than this signer's bound, or the time to
   *     live is not positive or reaches beyond the year 36812
   */
  public String sign(byte[] payload, @Nullable Duration timeToLive) {
    byte[] name = current.asciiName();
    int expiryBytes = timeToLive == null ? 0 : EXPIRY_BYTES;
    int signed = HEADER_BYTES + name.length + expiryBytes + payload.length;
    requireFits(signed + tagBytes);
    ByteBuffer token = ByteBuffer.allocate(signed + tagBytes);
    token.put(VERSION).put((byte) (timeToLive == null ? 0 : EXPIRES)).put((byte) name.length);
    token.put(name);
    if (timeToLive != null) {
      long second = expirySecond(timeToLive);
      token.put((byte) (second >>> 32)).putInt((int) second);
    }
    token.put(payload);
    token.put(current.mac(token.array(), signed), 0, tagBytes);
    return ENCODER.encodeToString(token.array());
  }

  private void requireFits(int bytes) {
    long chars = (bytes * 4L + 2) / 3;
    if (chars > maxChars) {
      throw new PgBelayException(
          "token for '%s' would have %d characters, above the bound of %d; raise maxChars or sign less"
              .formatted(purpose, chars, maxChars));
    }
  }

  private long expirySecond(Duration timeToLive) {
    if (timeToLive.isNegative() || timeToLive.isZero()) {
      throw new PgBelayException(
          "token for '%s': time to live must be positive, but is %s"
              .formatted(purpose, timeToLive));
    }
    Instant end = clock.instant().plus(timeToLive);
    long second = end.getNano() == 0 ? end.getEpochSecond() : end.getEpochSecond() + 1;
    if (second > MAX_EPOCH_SECOND || second < 0) {
      throw new PgBelayException(
          "token for '%s': time to live %s ends outside of what a token can say"
              .formatted(purpose, timeToLive));
    }
    return second;
  }

  /**
   * The payload of a token that this ring signed for this purpose and whose time is not over.
   *
   * @throws InvalidTokenException for every other input, with the reason
   */
  public VerifiedToken verify(String token) {
    if (token.length() > maxChars) {
      throw refused(
          OVER_LONG, "has %d characters, at most %d are read".formatted(token.length(), maxChars));
    }
    byte[] bytes = decode(token);
    if (bytes.length < 1) {
      throw refused(MALFORMED, "is empty");
    }
    if (bytes[0] != VERSION) {
      throw refused(
          WRONG_VERSION, "has version %d, this release reads %d".formatted(bytes[0], VERSION));
    }
    if (bytes.length < HEADER_BYTES + tagBytes) {
      throw refused(MALFORMED, "is cut short");
    }
    int flags = bytes[1];
    int nameLength = bytes[2] & 0xff;
    int payloadStart = HEADER_BYTES + nameLength + ((flags & EXPIRES) == 0 ? 0 : EXPIRY_BYTES);
    int signed = bytes.length - tagBytes;
    if ((flags & ~EXPIRES) != 0 || payloadStart > signed) {
      throw refused(MALFORMED, "has no readable header");
    }
    SigningKey key = keys.get(new String(bytes, HEADER_BYTES, nameLength, ISO_8859_1));
    if (key == null) {
      throw refused(UNKNOWN_KEY, "names a key that is not on the ring %s".formatted(keys.keySet()));
    }
    byte[] expected = Arrays.copyOf(key.mac(bytes, signed), tagBytes);
    if (!MessageDigest.isEqual(expected, Arrays.copyOfRange(bytes, signed, bytes.length))) {
      throw refused(
          BAD_SIGNATURE, "does not carry a signature of key '%s' for it".formatted(key.name()));
    }
    if ((flags & EXPIRES) != 0) {
      requireNotExpired(bytes, HEADER_BYTES + nameLength);
    }
    return new VerifiedToken(key.name(), Arrays.copyOfRange(bytes, payloadStart, signed));
  }

  private byte[] decode(String token) {
    byte[] bytes;
    try {
      bytes = DECODER.decode(token);
    } catch (IllegalArgumentException e) {
      throw refused(MALFORMED, "is not base64url");
    }
    // The last character carries unused bits and padding is optional: without this, several texts
    // would be one token.
    if (!ENCODER.encodeToString(bytes).equals(token)) {
      throw refused(MALFORMED, "is not canonical unpadded base64url");
    }
    return bytes;
  }

  private void requireNotExpired(byte[] bytes, int at) {
    ByteBuffer buffer = ByteBuffer.wrap(bytes, at, EXPIRY_BYTES);
    long second = ((buffer.get() & 0xffL) << 32) | (buffer.getInt() & 0xffffffffL);
    if (!clock.instant().isBefore(Instant.ofEpochSecond(second))) {
      throw refused(EXPIRED, "expired at %s".formatted(Instant.ofEpochSecond(second)));
    }
  }

  /** The name of the key that {@link #sign} uses. */
  public String currentKey() {
    return current.name();
  }

  /**
   * The first {@code length} bytes (at most 32) of a keyed digest: lets a token carry a short
   * fingerprint of something (filter values, a tenant) that a holder can neither reverse by
   * guessing nor collide. It differs by key, so compare it with the digest under {@link
   * VerifiedToken#keyName()}.
   *
   * @throws PgBelayException if the ring has no such key
   */
  public byte[] fingerprint(String keyName, byte[] data, int length) {
    SigningKey key = keys.get(keyName);
    if (key == null) {
      throw new PgBelayException("key ring has no key '%s'".formatted(keyName));
    }
    return Arrays.copyOf(key.digest(data), length);
  }

  private InvalidTokenException refused(InvalidTokenException.Reason reason, String rule) {
    return new InvalidTokenException(reason, "token for '" + purpose + "' " + rule);
  }

  /** What a token proved: which key signed it, and the signed bytes. */
  public static final class VerifiedToken {
    private final String keyName;
    private final byte[] payload;

    private VerifiedToken(String keyName, byte[] payload) {
      this.keyName = keyName;
      this.payload = payload;
    }

    public String keyName() {
      return keyName;
    }

    /** The signed bytes themselves, not a copy: nobody else holds them. */
    public byte[] payload() {
      return payload;
    }

    @Override
    public String toString() {
      return "VerifiedToken[keyName=%s, payload=%d bytes]".formatted(keyName, payload.length);
    }
  }

  /** Not safe for use by several threads. */
  public static final class Builder {
    private final KeyRing ring;
    private final String purpose;
    private int maxChars = 2048;
    private int tagBytes = FULL_TAG_BYTES;
    private InstantSource clock = InstantSource.system();

    private Builder(KeyRing ring, String purpose) {
      this.ring = ring;
      this.purpose = purpose;
    }

    /** The longest token that is made or read, in characters; 2048 by default, 64 at least. */
    public Builder maxChars(int maxChars) {
      this.maxChars = maxChars;
      return this;
    }

    /**
     * Tags of 16 bytes instead of 32: 21 characters less, and still 128 bits to guess (RFC 2104,
     * section 5 sets half the hash as the least). All nodes must agree: the length is not in the
     * token.
     */
    public Builder truncatedTag() {
      this.tagBytes = TRUNCATED_TAG_BYTES;
      return this;
    }

    /** Where "now" comes from for tokens that expire; the system's clock by default. */
    public Builder clock(InstantSource clock) {
      this.clock = clock;
      return this;
    }

    /**
     * Checks the options and derives the keys.
     *
     * @throws PgBelayException if the purpose is blank or maxChars is out of range
     */
    public TokenSigner build() {
      if (purpose.isBlank()) {
        throw new PgBelayException("token signer: purpose must not be blank");
      }
      if (maxChars < 64 || maxChars > 1 << 20) {
        throw new PgBelayException(
            "token signer for '%s': maxChars must be 64 to 1048576, but is %d"
                .formatted(purpose, maxChars));
      }
      return new TokenSigner(this);
    }
  }
}

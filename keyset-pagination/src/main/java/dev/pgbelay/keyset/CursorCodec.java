package dev.pgbelay.keyset;

import static dev.pgbelay.keyset.InvalidCursorException.Reason.MALFORMED;
import static dev.pgbelay.keyset.InvalidCursorException.Reason.OTHER_FILTERS;
import static dev.pgbelay.keyset.InvalidCursorException.Reason.OTHER_QUERY;
import static dev.pgbelay.keyset.InvalidCursorException.Reason.OTHER_SCOPE;
import static dev.pgbelay.keyset.InvalidCursorException.Reason.WRONG_VERSION;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.token.InvalidTokenException;
import dev.pgbelay.core.token.KeyRing;
import dev.pgbelay.core.token.TokenSigner;
import java.io.ByteArrayOutputStream;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.time.Duration;
import java.time.InstantSource;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * How positions become cursors: opaque, URL-safe, signed (HMAC-SHA-256 under named keys that can be
 * rotated), versioned, and bound to the query, its order, its filter values and its scope. A cursor
 * carries the keys of one row exactly as PostgreSQL holds them. It is signed, not encrypted:
 * whoever holds a cursor can read the values of the order's columns in it, but not filters or
 * scope.
 *
 * <p>One codec serves any number of queries. Nothing here blocks. Immutable and safe for use by
 * several threads.
 */
public final class CursorCodec {
  private static final byte PAYLOAD_VERSION = 1;
  private static final int INCLUSIVE = 1;
  private static final int FINGERPRINT_BYTES = 8;

  private final TokenSigner signer;
  private final Optional<Duration> timeToLive;

  private CursorCodec(Builder builder) {
    TokenSigner.Builder token =
        TokenSigner.builder(builder.ring, "pgbelay.keyset.cursor/1")
            .maxChars(builder.maxChars)
            .clock(builder.clock);
    if (builder.truncatedTag) {
      token.truncatedTag();
    }
    signer = token.build();
    timeToLive = Optional.ofNullable(builder.timeToLive);
  }

  /** Cursors that do not expire by themselves, of at most 2048 characters. */
  public static CursorCodec signed(KeyRing ring) {
    return builder(ring).build();
  }

  public static Builder builder(KeyRing ring) {
    return new Builder(ring);
  }

  String encode(Boundary position, CursorBinding binding) {
    ByteArrayOutputStream payload = new ByteArrayOutputStream(96);
    payload.write(PAYLOAD_VERSION);
    payload.write(position.isInclusive() ? INCLUSIVE : 0);
    payload.writeBytes(fingerprints(binding, signer.currentKey()));
    for (int i = 0; i < position.length(); i++) {
      writeKey(payload, position.key(i));
    }
    try {
      return signer.sign(payload.toByteArray(), timeToLive.orElse(null));
    } catch (PgBelayException tooLong) {
      throw new InvalidKeysetQueryException(
          InvalidKeysetQueryException.Reason.OPTION,
          "query '%s': the keys of a row do not fit into a cursor (%s); order by shorter columns or raise CursorCodec's maxChars"
              .formatted(binding.queryName(), tooLong.getMessage()));
    }
  }

  /**
   * The position, if the cursor is genuine and was made for this very query.
   *
   * @throws InvalidCursorException otherwise
   */
  Boundary decode(String cursor, CursorBinding binding, List<SortKey> order) {
    TokenSigner.VerifiedToken token;
    try {
      token = signer.verify(cursor);
    } catch (InvalidTokenException e) {
      throw new InvalidCursorException(
          reason(e), message(binding, String.valueOf(e.getMessage())), e);
    }
    try {
      return read(ByteBuffer.wrap(token.payload()), token.keyName(), binding, order);
    } catch (BufferUnderflowException e) {
      throw refused(MALFORMED, binding, "its content ends too early");
    }
  }

  private Boundary read(
      ByteBuffer payload, String keyName, CursorBinding binding, List<SortKey> order) {
    byte version = payload.get();
    if (version != PAYLOAD_VERSION) {
      throw refused(
          WRONG_VERSION,
          binding,
          "it has format %d, this release reads %d".formatted(version, PAYLOAD_VERSION));
    }
    int flags = payload.get();
    if ((flags & ~INCLUSIVE) != 0) {
      throw refused(MALFORMED, binding, "it has flags that this release does not know");
    }
    byte[] found = new byte[3 * FINGERPRINT_BYTES];
    payload.get(found);
    byte[] expected = fingerprints(binding, keyName);
    requireSame(found, expected, 0, OTHER_QUERY, binding, "it was made by another query or order");
    requireSame(found, expected, 1, OTHER_SCOPE, binding, "it was made in another scope");
    requireSame(found, expected, 2, OTHER_FILTERS, binding, "it was made with other filter values");
    byte[][] keys = new byte[order.size()][];
    for (int i = 0; i < keys.length; i++) {
      keys[i] = readKey(payload);
      if (keys[i] == null ? !order.get(i).nullable() : !order.get(i).type().isWellFormed(keys[i])) {
        throw refused(MALFORMED, binding, "its key %d does not fit the order".formatted(i + 1));
      }
    }
    if (payload.hasRemaining()) {
      throw refused(MALFORMED, binding, "it has more content than the order has keys");
    }
    return new Boundary(keys, (flags & INCLUSIVE) != 0);
  }

  private static void requireSame(
      byte[] found,
      byte[] expected,
      int index,
      InvalidCursorException.Reason reason,
      CursorBinding binding,
      String rule) {
    int from = index * FINGERPRINT_BYTES;
    int to = from + FINGERPRINT_BYTES;
    if (!MessageDigest.isEqual(
        Arrays.copyOfRange(found, from, to), Arrays.copyOfRange(expected, from, to))) {
      throw refused(reason, binding, rule);
    }
  }

  private byte[] fingerprints(CursorBinding binding, String keyName) {
    return binding.fingerprints(
        keyName, part -> signer.fingerprint(keyName, part, FINGERPRINT_BYTES));
  }

  /** A length of one to three bytes, 0 for NULL, then the value. */
  private static void writeKey(ByteArrayOutputStream payload, byte @Nullable [] key) {
    int length = key == null ? 0 : key.length + 1;
    while (length > 0x7f) {
      payload.write((length & 0x7f) | 0x80);
      length >>>= 7;
    }
    payload.write(length);
    if (key != null) {
      payload.writeBytes(key);
    }
  }

  private static byte @Nullable [] readKey(ByteBuffer payload) {
    int length = 0;
    int shift = 0;
    byte part;
    do {
      part = payload.get();
      length |= (part & 0x7f) << shift;
      shift += 7;
    } while (part < 0 && shift < 28);
    if (length == 0) {
      return null;
    }
    if (length < 0 || length - 1 > payload.remaining()) {
      throw new BufferUnderflowException();
    }
    byte[] key = new byte[length - 1];
    payload.get(key);
    return key;
  }

  private static InvalidCursorException refused(
      InvalidCursorException.Reason reason, CursorBinding binding, String rule) {
    return new InvalidCursorException(reason, message(binding, rule), null);
  }

  private static String message(CursorBinding binding, String rule) {
    return "cursor refused for query '%s': %s; start again from the first page"
        .formatted(binding.queryName(), rule);
  }

  private static InvalidCursorException.Reason reason(InvalidTokenException refusal) {
    return switch (refusal.reason()) {
      case OVER_LONG -> InvalidCursorException.Reason.OVER_LONG;
      case MALFORMED -> InvalidCursorException.Reason.MALFORMED;
      case WRONG_VERSION -> InvalidCursorException.Reason.WRONG_VERSION;
      case UNKNOWN_KEY -> InvalidCursorException.Reason.UNKNOWN_KEY;
      case BAD_SIGNATURE -> InvalidCursorException.Reason.BAD_SIGNATURE;
      case EXPIRED -> InvalidCursorException.Reason.EXPIRED;
    };
  }

  /** Not safe for use by several threads. */
  public static final class Builder {
    private static final Duration LONGEST_LIFE = Duration.ofDays(3_650);

    private final KeyRing ring;
    private int maxChars = 2048;
    private boolean truncatedTag;
    private @Nullable Duration timeToLive;
    private InstantSource clock = InstantSource.system();

    private Builder(KeyRing ring) {
      this.ring = ring;
    }

    /** How long a cursor is good for after the page was read; without end by default. */
    public Builder timeToLive(Duration timeToLive) {
      this.timeToLive = timeToLive;
      return this;
    }

    /** The longest cursor that is made or read, in characters; 2048 by default. */
    public Builder maxChars(int maxChars) {
      this.maxChars = maxChars;
      return this;
    }

    /** Shorter cursors by 21 characters: see {@link TokenSigner.Builder#truncatedTag()}. */
    public Builder truncatedTag() {
      this.truncatedTag = true;
      return this;
    }

    /** Where "now" comes from for cursors that expire; the system's clock by default. */
    public Builder clock(InstantSource clock) {
      this.clock = clock;
      return this;
    }

    /**
     * Checks the options.
     *
     * @throws PgBelayException if maxChars is not 64 to 1048576, or the time to live is not above
     *     zero and at most 3650 days
     */
    public CursorCodec build() {
      if (timeToLive != null && (timeToLive.isNegative() || timeToLive.isZero())) {
        throw new PgBelayException(
            "cursor codec: timeToLive must be positive, but is " + timeToLive);
      }
      if (timeToLive != null && timeToLive.compareTo(LONGEST_LIFE) > 0) {
        throw new PgBelayException(
            "cursor codec: timeToLive must be at most %s, but is %s; leave it out for cursors that do not end"
                .formatted(LONGEST_LIFE, timeToLive));
      }
      return new CursorCodec(this);
    }
  }
}

package dev.pgbelay.routing;

import dev.pgbelay.core.CommitPosition;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.token.InvalidTokenException;
import dev.pgbelay.core.token.KeyRing;
import dev.pgbelay.core.token.TokenSigner;
import java.nio.ByteBuffer;
import java.time.Duration;

/**
 * Tokens as text for cookies, headers, messages and jobs: signed (HMAC-SHA-256, 128 bits of it), at
 * most {@value #MOST_CHARACTERS} characters of base64url. Safe for several threads.
 */
public final class ConsistencyTokens {
  /** The longest text that is made or read. */
  public static final int MOST_CHARACTERS = 80;

  private static final String PURPOSE = "pgbelay.routing.token/1";
  private static final int PAYLOAD = Long.BYTES + Integer.BYTES + Long.BYTES;
  private static final int LONGEST_KEY_NAME = 16;

  private final TokenSigner signer;
  private final Duration timeToLive;

  private ConsistencyTokens(KeyRing ring, Duration timeToLive) {
    this.signer =
        TokenSigner.builder(ring, PURPOSE).maxChars(MOST_CHARACTERS).truncatedTag().build();
    this.timeToLive = timeToLive;
  }

  /**
   * Tokens that hold for so long.
   *
   * @param ring whose key names have at most 16 characters
   * @param timeToLive longer than any replica may lag that is still read: without a token, nothing
   *     keeps a session off one that has not its writes
   * @throws PgBelayException if a key's name is longer, or the time is not between 1 second and 30
   *     days
   */
  public static ConsistencyTokens of(KeyRing ring, Duration timeToLive) {
    for (String name : ring.names()) {
      if (name.length() > LONGEST_KEY_NAME) {
        throw new PgBelayException(
            "key '"
                + name
                + "' of a ring for consistency tokens has a name of "
                + name.length()
                + " characters, and it stands in every token: at most "
                + LONGEST_KEY_NAME);
      }
    }
    if (timeToLive.compareTo(Duration.ofSeconds(1)) < 0
        || timeToLive.compareTo(Duration.ofDays(30)) > 0) {
      throw new PgBelayException(
          "timeToLive of consistency tokens is "
              + timeToLive
              + ": must be between 1 second and 30 days");
    }
    return new ConsistencyTokens(ring, timeToLive);
  }

  /** For how long a token holds. */
  public Duration timeToLive() {
    return timeToLive;
  }

  /** The token as text, until its time is over. */
  public String write(ConsistencyToken token) {
    CommitPosition at = token.position();
    byte[] payload =
        ByteBuffer.allocate(PAYLOAD)
            .putLong(at.systemIdentifier())
            .putInt(at.timeline())
            .putLong(at.lsn())
            .array();
    return signer.sign(payload, timeToLive);
  }

  /**
   * The token that was written under a key of the ring, if its time is not over.
   *
   * @throws InvalidTokenException for every other text, with the reason
   */
  public ConsistencyToken read(String text) {
    ByteBuffer payload = ByteBuffer.wrap(signer.verify(text).payload());
    return ConsistencyToken.of(
        new CommitPosition(payload.getLong(), payload.getInt(), payload.getLong()));
  }
}

package dev.pgbelay.outbox.http;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.pgbelay.core.PgBelayException;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.time.Duration;
import java.time.Instant;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.StringJoiner;
import java.util.regex.Pattern;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.jspecify.annotations.Nullable;

/**
 * Secrets shared with a receiver of webhooks. Each of them signs each request, so that either side
 * can change its secret without a moment in which nothing fits: add the new one here, have the
 * receiver take it, drop the old one.
 *
 * <p>Signed are message id, time in seconds and body, joined by full stops, by HMAC-SHA-256; a
 * signature is {@code v1,} and its Base64, and several are parted by spaces, as Standard Webhooks
 * (standardwebhooks.com) has it. Immutable and safe for several threads. Secrets are copied on the
 * way in and never handed out, printed or logged.
 */
public final class WebhookSecrets {
  private static final String ALGORITHM = "HmacSHA256";
  private static final String VERSION = "v1,";

  /** What Standard Webhooks asks for: 24 to 64 bytes. */
  private static final int LEAST = 24;

  private static final int MOST = 64;
  private static final int MOST_SECRETS = 4;
  private static final Pattern NAME = Pattern.compile("[A-Za-z0-9._-]{1,32}");
  private static final Pattern SECONDS = Pattern.compile("[0-9]{1,11}");

  private final Map<String, SecretKeySpec> keys;

  private WebhookSecrets(Map<String, SecretKeySpec> keys) {
    this.keys = keys;
  }

  /**
   * One secret.
   *
   * @param name how it is called where secrets are listed
   * @param secret 24 to 64 random bytes
   * @throws PgBelayException if one of them is not fit
   */
  public static WebhookSecrets of(String name, byte[] secret) {
    return new WebhookSecrets(Map.of()).and(name, secret);
  }

  /**
   * These and one more, up to four.
   *
   * @throws PgBelayException if one of them is not fit, or the name is taken
   */
  public WebhookSecrets and(String name, byte[] secret) {
    if (!NAME.matcher(name).matches()) {
      throw new PgBelayException(
          "a webhook secret's name must be 1 to 32 of A-Z a-z 0-9 . _ -, has "
              + name.length()
              + " characters");
    }
    if (secret.length < LEAST || secret.length > MOST) {
      throw new PgBelayException(
          "webhook secret '%s' has %d bytes: must have %d to %d random ones"
              .formatted(name, secret.length, LEAST, MOST));
    }
    Map<String, SecretKeySpec> more = new LinkedHashMap<>(keys);
    if (more.putIfAbsent(name, new SecretKeySpec(secret, ALGORITHM)) != null) {
      throw new PgBelayException(
          "webhook secret '%s' is given twice: name each apart".formatted(name));
    }
    if (more.size() > MOST_SECRETS) {
      throw new PgBelayException(
          "%d webhook secrets: at most %d at once; drop the old ones"
              .formatted(more.size(), MOST_SECRETS));
    }
    return new WebhookSecrets(more);
  }

  /** The value of {@code webhook-signature} for a request. */
  String sign(String messageId, long epochSecond, byte[] body) {
    StringJoiner signatures = new StringJoiner(" ");
    for (SecretKeySpec key : keys.values()) {
      signatures.add(
          VERSION
              + Base64.getEncoder()
                  .encodeToString(mac(key, messageId, Long.toString(epochSecond), body)));
    }
    return signatures.toString();
  }

  /**
   * Whether a request that came is signed with one of these secrets and not too old: for receivers.
   * Every signature is compared with every secret in constant time.
   *
   * @param messageId header {@code webhook-id}
   * @param timestamp header {@code webhook-timestamp}
   * @param signatures header {@code webhook-signature}
   * @param now by the receiver's clock
   * @param tolerance how far the request's time may be from that, to either side
   */
  public boolean verify(
      @Nullable String messageId,
      @Nullable String timestamp,
      @Nullable String signatures,
      byte[] body,
      Instant now,
      Duration tolerance) {
    if (messageId == null
        || timestamp == null
        || signatures == null
        || !SECONDS.matcher(timestamp).matches()) {
      return false;
    }
    boolean fits = false;
    for (SecretKeySpec key : keys.values()) {
      byte[] expected = mac(key, messageId, timestamp, body);
      for (String signature : signatures.split(" ", 16)) {
        // No early end: how long this takes does not say which of them fits.
        fits |= MessageDigest.isEqual(expected, decode(signature));
      }
    }
    Duration age = Duration.between(Instant.ofEpochSecond(Long.parseLong(timestamp)), now).abs();
    return fits && age.compareTo(tolerance) <= 0;
  }

  private static byte[] decode(String signature) {
    try {
      return signature.startsWith(VERSION)
          ? Base64.getDecoder().decode(signature.substring(VERSION.length()))
          : new byte[0];
    } catch (IllegalArgumentException e) {
      return new byte[0];
    }
  }

  private static byte[] mac(SecretKeySpec key, String messageId, String seconds, byte[] body) {
    try {
      Mac mac = Mac.getInstance(ALGORITHM);
      mac.init(key);
      mac.update((messageId + '.' + seconds + '.').getBytes(UTF_8));
      return mac.doFinal(body);
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("this JVM has no " + ALGORITHM, e);
    }
  }

  /** Names only. */
  @Override
  public String toString() {
    return "WebhookSecrets" + keys.keySet();
  }
}

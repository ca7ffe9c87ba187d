package dev.pgbelay.idempotency.webhook;

import dev.pgbelay.core.PgBelayException;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/**
 * Secrets that a provider and we know, by name, for HMAC-SHA-256. Copied on the way in and never
 * handed out. Immutable once built, and safe for several threads then.
 */
final class SharedSecrets {
  private static final String ALGORITHM = "HmacSHA256";
  private static final int LEAST_BYTES = 16;

  private final Map<String, SecretKeySpec> keys;

  private SharedSecrets(Map<String, SecretKeySpec> keys) {
    this.keys = new LinkedHashMap<>(keys);
  }

  /** The name of a secret by which one of the signatures is that of the text and the body. */
  Optional<String> fitting(List<byte[]> signatures, byte[] before, byte[] body) {
    Optional<String> fitting = Optional.empty();
    for (Map.Entry<String, SecretKeySpec> key : keys.entrySet()) {
      byte[] expected = mac(key.getValue(), before, body);
      for (byte[] signature : signatures) {
        // No early end: how long this takes does not say which of them fits.
        if (MessageDigest.isEqual(expected, signature)) {
          fitting = Optional.of(key.getKey());
        }
      }
    }
    return fitting;
  }

  /** By the secret named first. */
  byte[] sign(byte[] before, byte[] body) {
    return mac(keys.values().iterator().next(), before, body);
  }

  private static byte[] mac(SecretKeySpec key, byte[] before, byte[] body) {
    try {
      Mac mac = Mac.getInstance(ALGORITHM);
      mac.init(key);
      mac.update(before);
      return mac.doFinal(body);
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("this JVM has no " + ALGORITHM, e);
    }
  }

  Set<String> names() {
    return keys.keySet();
  }

  /** Not safe for several threads. */
  static final class Builder {
    private final Map<String, SecretKeySpec> keys = new LinkedHashMap<>();

    void add(String name, byte[] secret) {
      if (secret.length < LEAST_BYTES) {
        throw new PgBelayException(
            "secret '%s' has %d bytes: at least %d are required"
                .formatted(name, secret.length, LEAST_BYTES));
      }
      if (keys.putIfAbsent(name, new SecretKeySpec(secret, ALGORITHM)) != null) {
        throw new PgBelayException("secret '%s' is given twice: name each apart".formatted(name));
      }
    }

    SharedSecrets build() {
      if (keys.isEmpty()) {
        throw new PgBelayException("there is no secret: add the provider's with secret(...)");
      }
      return new SharedSecrets(keys);
    }
  }
}

package dev.pgbelay.core.token;

import dev.pgbelay.core.PgBelayException;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Named secret keys: one signs, all verify. To rotate, first {@linkplain Builder#accept accept} the
 * new key on every node, then make it {@linkplain Builder#current current}, and drop the old one
 * once the last token it signed has lost its worth.
 *
 * <p>Immutable and safe for use by several threads. Key bytes are copied on the way in and never
 * handed out, printed or logged.
 */
public final class KeyRing {
  /** HMAC-SHA-256 keys shorter than the hash's output weaken it (RFC 2104, section 3). */
  static final int MIN_SECRET_BYTES = 32;

  private static final Pattern KEY_NAME = Pattern.compile("[A-Za-z0-9._-]{1,32}");

  private final String currentName;
  private final Map<String, byte[]> secrets;

  private KeyRing(String currentName, Map<String, byte[]> secrets) {
    this.currentName = currentName;
    this.secrets = secrets;
  }

  /** A ring of one key. The name travels in every token: keep it short ("a", "k7"). */
  public static KeyRing of(String name, byte[] secret) {
    return builder().current(name, secret).build();
  }

  public static Builder builder() {
    return new Builder();
  }

  /** The name of the key that signs. */
  public String currentName() {
    return currentName;
  }

  /** The names of all keys that verify, the current one among them. */
  public Set<String> names() {
    return secrets.keySet();
  }

  byte @Nullable [] secret(String name) {
    return secrets.get(name);
  }

  /** Names only. */
  @Override
  public String toString() {
    return "KeyRing[current=" + currentName + ", names=" + names() + "]";
  }

  /** Not safe for use by several threads. */
  public static final class Builder {
    private final Map<String, byte[]> secrets = new LinkedHashMap<>();
    private @Nullable String current;

    private Builder() {}

    /**
     * The key that signs from now on, and verifies.
     *
     * @throws PgBelayException if the name is not 1 to 32 of {@code A-Za-z0-9._-}, is already
     *     taken, or the secret has fewer than 32 bytes
     * @throws PgBelayException if a current key was already named
     */
    public Builder current(String name, byte[] secret) {
      if (current != null) {
        throw new PgBelayException(
            "key ring: current key is already '%s'; add '%s' with accept(...) or drop one"
                .formatted(current, name));
      }
      add(name, secret);
      current = name;
      return this;
    }

    /**
     * A key that only verifies: one that was current, or one that will be.
     *
     * @throws PgBelayException as for {@link #current}
     */
    public Builder accept(String name, byte[] secret) {
      add(name, secret);
      return this;
    }

    private void add(String name, byte[] secret) {
      if (!KEY_NAME.matcher(name).matches()) {
        throw new PgBelayException(
            "key ring: key name must be 1 to 32 characters of A-Z a-z 0-9 . _ - but has "
                + name.getBytes(StandardCharsets.UTF_8).length
                + " bytes or other characters");
      }
      if (secret.length < MIN_SECRET_BYTES) {
        throw new PgBelayException(
            "key ring: secret of key '%s' has %d bytes; at least %d random bytes are required"
                .formatted(name, secret.length, MIN_SECRET_BYTES));
      }
      if (secrets.putIfAbsent(name, secret.clone()) != null) {
        throw new PgBelayException(
            "key ring: key '%s' is given twice; every key needs a name of its own".formatted(name));
      }
    }

    /**
     * Checks and freezes the ring.
     *
     * @throws PgBelayException if no current key was named
     */
    public KeyRing build() {
      if (current == null) {
        throw new PgBelayException("key ring: no current key; name one with current(...)");
      }
      return new KeyRing(current, Map.copyOf(secrets));
    }
  }
}

package dev.pgbelay.idempotency.fingerprint;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Map;

/**
 * Form 1: every piece is a tag and a length before its bytes, so that no two requests can run into
 * the same stream of bytes. A change here is a new form with a new number.
 */
final class CanonicalForm {
  private final MessageDigest digest;

  CanonicalForm() {
    try {
      digest = MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("this JVM has no SHA-256", e);
    }
    add('P', "pgbelay.fingerprint/1");
  }

  void add(char tag, byte[] bytes) {
    open(tag, bytes.length);
    digest.update(bytes);
  }

  void add(char tag, String text) {
    add(tag, text.getBytes(StandardCharsets.UTF_8));
  }

  /** A list of so many pieces follows. */
  void open(char tag, int pieces) {
    digest.update((byte) tag);
    digest.update(ByteBuffer.allocate(Integer.BYTES).putInt(pieces).flip());
  }

  void add(JsonValue value) {
    if (value instanceof JsonValue.Truth truth) {
      open(truth.value() ? 't' : 'f', 0);
    } else if (value instanceof JsonValue.Figure figure) {
      add('d', figure.value().toString());
    } else if (value instanceof JsonValue.Text text) {
      add('s', text.value());
    } else if (value instanceof JsonValue.Elements elements) {
      open('a', elements.values().size());
      elements.values().forEach(this::add);
    } else if (value instanceof JsonValue.Members members) {
      open('o', members.values().size());
      for (Map.Entry<String, JsonValue> member : members.values().entrySet()) {
        add('k', member.getKey());
        add(member.getValue());
      }
    } else {
      open('n', 0);
    }
  }

  byte[] digest() {
    return digest.digest();
  }
}

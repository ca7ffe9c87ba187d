package dev.pgbelay.core.token;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static java.nio.charset.StandardCharsets.UTF_8;

import java.security.GeneralSecurityException;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/** What is derived from one secret of the ring for one purpose. */
final class SigningKey {
  private static final String ALGORITHM = "HmacSHA256";

  private final String name;
  private final byte[] asciiName;
  private final SecretKeySpec macKey;
  private final SecretKeySpec digestKey;

  SigningKey(String name, byte[] secret, String purpose) {
    this.name = name;
    this.asciiName = name.getBytes(US_ASCII);
    SecretKeySpec root = new SecretKeySpec(secret, ALGORITHM);
    macKey = derive(root, "sign", purpose);
    digestKey = derive(root, "fingerprint", purpose);
  }

  String name() {
    return name;
  }

  /** As it stands in a token: not a copy. */
  byte[] asciiName() {
    return asciiName;
  }

  private static SecretKeySpec derive(SecretKeySpec root, String use, String purpose) {
    byte[] label = ("pgbelay.token/1 " + use + "\0" + purpose).getBytes(UTF_8);
    return new SecretKeySpec(hmac(root, label, label.length), ALGORITHM);
  }

  byte[] mac(byte[] bytes, int length) {
    return hmac(macKey, bytes, length);
  }

  byte[] digest(byte[] bytes) {
    return hmac(digestKey, bytes, bytes.length);
  }

  private static byte[] hmac(SecretKeySpec key, byte[] bytes, int length) {
    try {
      Mac mac = Mac.getInstance(ALGORITHM);
      mac.init(key);
      mac.update(bytes, 0, length);
      return mac.doFinal();
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("this JVM has no " + ALGORITHM, e);
    }
  }
}

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
  private final Keyed macKey;
  private final Keyed digestKey;

  /**
   * A key with a Mac that was made for it and is only ever copied: to look one up and key it costs
   * more than to sign. Safe for several threads.
   */
  private record Keyed(SecretKeySpec key, Mac fresh) {
    static Keyed of(SecretKeySpec key) {
      try {
        Mac mac = Mac.getInstance(ALGORITHM);
        mac.init(key);
        return new Keyed(key, mac);
      } catch (GeneralSecurityException e) {
        throw noAlgorithm(e);
      }
    }

    byte[] hmac(byte[] bytes, int length) {
      Mac mac = copy();
      mac.update(bytes, 0, length);
      return mac.doFinal();
    }

    private Mac copy() {
      try {
        return (Mac) fresh.clone();
      } catch (CloneNotSupportedException e) {
        // Such as a provider whose keys stay in hardware.
        return of(key).fresh();
      }
    }
  }

  SigningKey(String name, byte[] secret, String purpose) {
    this.name = name;
    this.asciiName = name.getBytes(US_ASCII);
    SecretKeySpec root = new SecretKeySpec(secret, ALGORITHM);
    Keyed rootKey = Keyed.of(root);
    macKey = derive(rootKey, "sign", purpose);
    digestKey = derive(rootKey, "fingerprint", purpose);
  }

  String name() {
    return name;
  }

  /** As it stands in a token: not a copy. */
  byte[] asciiName() {
    return asciiName;
  }

  private static Keyed derive(Keyed root, String use, String purpose) {
    byte[] label = ("pgbelay.token/1 " + use + "\0" + purpose).getBytes(UTF_8);
    return Keyed.of(new SecretKeySpec(root.hmac(label, label.length), ALGORITHM));
  }

  byte[] mac(byte[] bytes, int length) {
    return macKey.hmac(bytes, length);
  }

  byte[] digest(byte[] bytes) {
    return digestKey.hmac(bytes, bytes.length);
  }

  private static IllegalStateException noAlgorithm(GeneralSecurityException e) {
    return new IllegalStateException("this JVM has no " + ALGORITHM, e);
  }
}

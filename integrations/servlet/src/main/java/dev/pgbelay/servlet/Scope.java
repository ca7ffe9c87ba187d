package dev.pgbelay.servlet;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.regex.Pattern;

/** Names of principals as tenants of keys, which are short and printable ASCII. */
final class Scope {
  private static final Pattern PRINTABLE = Pattern.compile("[ -~]{1,128}");
  private static final String HASHED = "sha256:";

  private Scope() {}

  /** No two names share one: those that begin like a hash are hashed, too. */
  static String printable(String name) {
    return PRINTABLE.matcher(name).matches() && !name.startsWith(HASHED) ? name : hashed(name);
  }

  private static String hashed(String name) {
    try {
      byte[] digest = MessageDigest.getInstance("SHA-256").digest(name.getBytes(UTF_8));
      return HASHED + HexFormat.of().formatHex(digest);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("this JVM has no SHA-256", e);
    }
  }
}

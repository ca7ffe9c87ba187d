package dev.pgbelay.servlet;

import dev.pgbelay.core.PgBelayException;
import java.time.Duration;
import java.util.regex.Pattern;

/**
 * The cookie that carries a consistency token (RFC 6265). Immutable and safe for several threads.
 *
 * @param name of letters, digits and {@code -_.}
 * @param path under which browsers send it
 * @param sameSite when they send it with requests that other sites cause
 * @param secure over TLS only
 * @param httpOnly hidden from scripts
 */
public record TokenCookie(
    String name, String path, SameSite sameSite, boolean secure, boolean httpOnly) {
  private static final Pattern NAME = Pattern.compile("[A-Za-z0-9._-]{1,64}");
  private static final Pattern PATH = Pattern.compile("/[!-:<-~]*");

  /** With which requests browsers send a cookie. */
  public enum SameSite {
    /** Of the same site only: who follows a link from elsewhere comes without it. */
    STRICT("Strict"),
    /** And of those that follow a link to here. */
    LAX("Lax"),
    /** Of all; such a cookie has to be {@code secure}. */
    NONE("None");

    private final String text;

    SameSite(String text) {
      this.text = text;
    }
  }

  /**
   * @throws PgBelayException naming the rule that is broken
   */
  public TokenCookie {
    if (!NAME.matcher(name).matches()) {
      throw refused("name", name, "must be 1 to 64 of letters, digits, dot, hyphen, underscore");
    }
    if (!PATH.matcher(path).matches()) {
      throw refused("path", path, "must begin with a slash, in printable ASCII without semicolon");
    }
    if (sameSite == SameSite.NONE && !secure) {
      throw refused("sameSite", "None", "browsers drop it unless it is secure");
    }
    if ((name.startsWith("__Host-") || name.startsWith("__Secure-")) && !secure) {
      throw refused("name", name, "browsers drop it unless it is secure");
    }
    if (name.startsWith("__Host-") && !"/".equals(path)) {
      throw refused("name", name, "browsers drop it unless its path is /");
    }
  }

  private static PgBelayException refused(String option, String value, String rule) {
    return new PgBelayException(
        "cookie of consistency tokens: " + option + " is \"" + value + "\": " + rule);
  }

  /** For all paths; {@code Lax}, {@code Secure} and {@code HttpOnly}. */
  public static TokenCookie of(String name) {
    return new TokenCookie(name, "/", SameSite.LAX, true, true);
  }

  /** For these paths. */
  public TokenCookie withPath(String other) {
    return new TokenCookie(name, other, sameSite, secure, httpOnly);
  }

  /** With those requests. */
  public TokenCookie withSameSite(SameSite other) {
    return new TokenCookie(name, path, other, secure, httpOnly);
  }

  /** Also without TLS, as on a developer's machine. */
  public TokenCookie insecure() {
    return new TokenCookie(name, path, sameSite, false, httpOnly);
  }

  /** For scripts, too. */
  public TokenCookie withScripts() {
    return new TokenCookie(name, path, sameSite, secure, false);
  }

  /** A line of {@code Set-Cookie}. */
  String line(String value, Duration maxAge) {
    return name
        + "="
        + value
        + "; Path="
        + path
        + "; Max-Age="
        + maxAge.toSeconds()
        + "; SameSite="
        + sameSite.text
        + (secure ? "; Secure" : "")
        + (httpOnly ? "; HttpOnly" : "");
  }
}

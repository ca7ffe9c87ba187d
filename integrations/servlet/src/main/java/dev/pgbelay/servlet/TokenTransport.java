package dev.pgbelay.servlet;

import dev.pgbelay.routing.ConsistencyToken;
import dev.pgbelay.routing.Session;
import dev.pgbelay.routing.carrier.TokenCarrier;
import dev.pgbelay.routing.session.StoredSessions;
import jakarta.servlet.http.Cookie;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * How tokens travel between a client and here. Safe for several threads.
 *
 * @param cookie null where none carries them
 * @param header whether one carries them
 * @param stored null where none are stored
 */
record TokenTransport(
    TokenCarrier carrier,
    @Nullable TokenCookie cookie,
    boolean header,
    @Nullable StoredSessions stored,
    TokenMeters meters) {
  private static final String SET_COOKIE = "Set-Cookie";

  /** All that the client sent: browsers send cookies of one name for several paths. */
  List<String> read(HttpServletRequest request) {
    List<String> texts = new ArrayList<>();
    Cookie[] cookies = request.getCookies();
    if (cookie != null && cookies != null) {
      for (Cookie one : cookies) {
        if (one.getName().equals(cookie.name())) {
          texts.add(one.getValue());
        }
      }
    }
    if (header) {
      texts.addAll(Collections.list(request.getHeaders(carrier.header())));
    }
    return texts;
  }

  /** Whether tokens for clients are in headers of that name. */
  boolean carries(String name) {
    return name.equalsIgnoreCase(SET_COOKIE) || name.equalsIgnoreCase(carrier.header());
  }

  Optional<ConsistencyToken> token(Session session) {
    return carrier.routing().token(session);
  }

  void write(ConsistencyToken token, HttpServletResponse response) {
    String text = carrier.tokens().write(token);
    if (header) {
      response.setHeader(carrier.header(), text);
    }
    setCookie(text, carrier.tokens().timeToLive(), response);
    if (header || cookie != null) {
      meters.sent();
    }
  }

  /** So that the client does not bring it again. */
  void clear(HttpServletResponse response) {
    setCookie("", Duration.ZERO, response);
  }

  /** In place of one that was set before; there is no other way to take a cookie back. */
  private void setCookie(String text, Duration maxAge, HttpServletResponse response) {
    if (cookie == null) {
      return;
    }
    String prefix = cookie.name() + "=";
    Collection<String> lines = List.copyOf(response.getHeaders(SET_COOKIE));
    String line = cookie.line(text, maxAge);
    if (lines.stream().noneMatch(before -> before.startsWith(prefix))) {
      response.addHeader(SET_COOKIE, line);
      return;
    }
    response.setHeader(SET_COOKIE, line);
    lines.stream()
        .filter(before -> !before.startsWith(prefix))
        .forEach(before -> response.addHeader(SET_COOKIE, before));
  }

  void store(String owner, ConsistencyToken token) {
    Objects.requireNonNull(stored).raise(owner, token);
  }

  void late() {
    meters.late();
  }
}

package dev.pgbelay.servlet;

import dev.pgbelay.servlet.StoredResponse.Header;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** The headers of one response, in their order. Of one thread. */
final class ResponseHeaders {
  /** With two digits for each day (RFC 9110, section 5.6.7), unlike the JDK's own. */
  private static final DateTimeFormatter HTTP_DATE =
      DateTimeFormatter.ofPattern("EEE, dd MMM yyyy HH:mm:ss 'GMT'", Locale.ENGLISH);

  private final List<Header> headers = new ArrayList<>();

  static String httpDate(long date) {
    return HTTP_DATE.format(Instant.ofEpochMilli(date).atOffset(ZoneOffset.UTC));
  }

  void add(String name, String value) {
    headers.add(new Header(name, value));
  }

  void remove(String name) {
    headers.removeIf(header -> header.name().equalsIgnoreCase(name));
  }

  void clear() {
    headers.clear();
  }

  @Nullable String first(String name) {
    return all(name).stream().findFirst().orElse(null);
  }

  List<String> all(String name) {
    return headers.stream()
        .filter(header -> header.name().equalsIgnoreCase(name))
        .map(Header::value)
        .toList();
  }

  Collection<String> names() {
    Collection<String> names = new LinkedHashSet<>();
    headers.forEach(header -> names.add(header.name()));
    return names;
  }

  List<Header> toList() {
    return List.copyOf(headers);
  }
}

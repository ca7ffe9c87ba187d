package dev.pgbelay.outbox.http;

import java.net.http.HttpHeaders;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.format.DateTimeFormatter;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Pattern;

/** {@code Retry-After} in both of its forms (RFC 9110, section 10.2.3). */
final class RetryAfter {
  /** Whoever receives a webhook may ask for patience, not for ever. */
  private static final Duration MOST = Duration.ofDays(1);

  private static final Pattern SECONDS = Pattern.compile("[0-9]{1,9}");
  private static final DateTimeFormatter HTTP_DATE =
      DateTimeFormatter.RFC_1123_DATE_TIME.withLocale(Locale.ROOT);

  private RetryAfter() {}

  /** A date is measured from the answer's own Date where it has one: the same clock. */
  static Optional<Duration> of(HttpHeaders headers, Instant now) {
    Optional<String> value = headers.firstValue("retry-after").map(String::strip);
    Optional<Duration> asked =
        value.filter(text -> SECONDS.matcher(text).matches()).isPresent()
            ? value.map(text -> Duration.ofSeconds(Long.parseLong(text)))
            : value
                .flatMap(RetryAfter::date)
                .map(
                    until ->
                        Duration.between(
                            headers.firstValue("date").flatMap(RetryAfter::date).orElse(now),
                            until));
    return asked.map(
        wait -> wait.isNegative() ? Duration.ZERO : wait.compareTo(MOST) > 0 ? MOST : wait);
  }

  private static Optional<Instant> date(String value) {
    try {
      return Optional.of(Instant.from(HTTP_DATE.parse(value.strip())));
    } catch (DateTimeException e) {
      return Optional.empty();
    }
  }
}

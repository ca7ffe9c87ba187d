package dev.pgbelay.outbox.inbox;

import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** The day on which an id was drawn, as a UUID of version 7 says it (RFC 9562, section 5.7). */
final class BirthDay {
  /** In lower case only: ids are equal as text, and one UUID must not stand for two of them. */
  private static final Pattern VERSION_7 =
      Pattern.compile("[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}");

  private BirthDay() {}

  /** In days since 1970-01-01, UTC; null if the id does not say. */
  static @Nullable Integer of(String messageId) {
    if (!VERSION_7.matcher(messageId).matches()) {
      return null;
    }
    long millis =
        (Long.parseLong(messageId, 0, 8, 16) << 16) | Long.parseLong(messageId, 9, 13, 16);
    return (int) TimeUnit.MILLISECONDS.toDays(millis);
  }
}

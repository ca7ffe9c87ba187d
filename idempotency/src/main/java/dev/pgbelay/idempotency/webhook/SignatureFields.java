package dev.pgbelay.idempotency.webhook;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** A header of the form {@code t=…,v1=…,v1=…}. */
record SignatureFields(String timeField, String signatureField) {
  private static final int LONGEST_HEADER = 4_096;

  /** Each costs a comparison with each secret: more than any provider sends. */
  private static final int MOST_SIGNATURES = 8;

  private static final Pattern SECONDS = Pattern.compile("[0-9]{1,11}");

  record Parsed(String seconds, List<String> signatures) {
    long epochSecond() {
      return Long.parseLong(seconds);
    }
  }

  Optional<Parsed> parse(String header) {
    if (header.length() > LONGEST_HEADER) {
      return Optional.empty();
    }
    @Nullable String seconds = null;
    List<String> signatures = new ArrayList<>();
    for (String field : header.split(",", -1)) {
      int equals = field.indexOf('=');
      if (equals < 0) {
        return Optional.empty();
      }
      String name = field.substring(0, equals).strip();
      String value = field.substring(equals + 1).strip();
      if (name.equals(timeField)) {
        if (seconds != null || !SECONDS.matcher(value).matches()) {
          return Optional.empty();
        }
        seconds = value;
      } else if (name.equals(signatureField)) {
        signatures.add(value);
      }
    }
    return seconds == null || signatures.isEmpty() || signatures.size() > MOST_SIGNATURES
        ? Optional.empty()
        : Optional.of(new Parsed(seconds, List.copyOf(signatures)));
  }

  String write(String seconds, String signature) {
    return timeField + "=" + seconds + "," + signatureField + "=" + signature;
  }

  String form() {
    return write("…", "…");
  }
}

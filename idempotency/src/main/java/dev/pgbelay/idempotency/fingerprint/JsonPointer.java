package dev.pgbelay.idempotency.fingerprint;

import dev.pgbelay.core.PgBelayException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** A place in a JSON document (RFC 6901). */
record JsonPointer(String text, List<String> names) {
  private static final Pattern INDEX = Pattern.compile("0|[1-9][0-9]{0,8}");
  private static final Pattern BAD_ESCAPE = Pattern.compile("~(?![01])");

  static JsonPointer parse(String text) {
    if (!text.startsWith("/") || BAD_ESCAPE.matcher(text).find()) {
      throw new PgBelayException(
          "jsonPointer is \""
              + text
              + "\": must be like /amount/value, with ~1 for a slash and ~0 for a tilde in a name");
    }
    List<String> names = new ArrayList<>();
    for (String name : text.substring(1).split("/", -1)) {
      names.add(CanonicalText.of(name.replace("~1", "/").replace("~0", "~")));
    }
    return new JsonPointer(text, List.copyOf(names));
  }

  /** What is there; empty if nothing is, which is not the same as null. */
  Optional<JsonValue> in(JsonValue document) {
    @Nullable JsonValue value = document;
    for (String name : names) {
      if (value instanceof JsonValue.Members members) {
        value = members.values().get(name);
      } else if (value instanceof JsonValue.Elements elements && INDEX.matcher(name).matches()) {
        int index = Integer.parseInt(name);
        value = index < elements.values().size() ? elements.values().get(index) : null;
      } else {
        return Optional.empty();
      }
    }
    return Optional.ofNullable(value);
  }
}

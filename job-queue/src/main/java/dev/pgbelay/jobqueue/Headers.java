package dev.pgbelay.jobqueue;

import dev.pgbelay.jobqueue.internal.StoredTexts;
import java.sql.Array;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Headers and lists of failures as PostgreSQL's arrays of text. */
final class Headers {
  private Headers() {}

  /** The literal of an array of names and values; null for none. */
  static @Nullable String write(Map<String, String> headers) {
    if (headers.isEmpty()) {
      return null;
    }
    List<String> texts = new ArrayList<>();
    headers.forEach(
        (name, value) -> {
          texts.add(name);
          texts.add(value);
        });
    return writeTexts(texts);
  }

  /** The literal of an array of texts; null for none. */
  static @Nullable String writeTexts(Collection<String> texts) {
    if (texts.isEmpty()) {
      return null;
    }
    StringBuilder literal = new StringBuilder("{");
    for (String text : texts) {
      literal.append(literal.length() == 1 ? "" : ",");
      quote(literal, text);
    }
    return literal.append('}').toString();
  }

  private static void quote(StringBuilder literal, String text) {
    literal.append('"');
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      if (c == '"' || c == '\\') {
        literal.append('\\');
      }
      literal.append(c);
    }
    literal.append('"');
  }

  static Map<String, String> read(List<String> texts) {
    return StoredTexts.pairs(texts);
  }

  /** An array's texts; none for null. */
  static List<String> texts(ResultSet row, int column) throws SQLException {
    Array array = row.getArray(column);
    if (array == null) {
      return List.of();
    }
    List<String> texts = new ArrayList<>();
    for (Object text : (Object[]) array.getArray()) {
      texts.add(String.valueOf(text));
    }
    return texts;
  }
}

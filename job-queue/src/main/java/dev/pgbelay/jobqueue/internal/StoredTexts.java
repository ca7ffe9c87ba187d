package dev.pgbelay.jobqueue.internal;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jooq.Record;

/** Texts and headers as they come out of the tables. */
public final class StoredTexts {
  private StoredTexts() {}

  /** Names and values that take turns, in their order. */
  public static Map<String, String> pairs(List<String> texts) {
    if (texts.isEmpty()) {
      return Map.of();
    }
    Map<String, String> pairs = new LinkedHashMap<>();
    for (int i = 0; i + 1 < texts.size(); i += 2) {
      pairs.put(texts.get(i), texts.get(i + 1));
    }
    return Collections.unmodifiableMap(pairs);
  }

  /** What a column holds; none for null. */
  public static List<String> of(Record row, String column) {
    String[] texts = row.get(column, String[].class);
    return texts == null ? List.of() : List.of(texts);
  }
}

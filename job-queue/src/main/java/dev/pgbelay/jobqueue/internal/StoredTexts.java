package dev.pgbelay.jobqueue.internal;

import dev.pgbelay.jobqueue.FailedAttempt;
import java.time.Instant;
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
  public static List<FailedAttempt> failures(Record row, String column) {
    return of(row, column).stream().map(StoredTexts::failure).toList();
  }

  /** A failure as workers write it: number, time, node and error with a tab between them. */
  public static FailedAttempt failure(String text) {
    String[] parts = text.split("\t", 4);
    try {
      return new FailedAttempt(
          Integer.parseInt(parts[0]), Instant.parse(parts[1]), parts[2], parts[3]);
    } catch (RuntimeException notOurs) { // written by hand: it must not hide the job
      return new FailedAttempt(0, Instant.EPOCH, "", text);
    }
  }

  /** What a column holds; none for null. */
  public static List<String> of(Record row, String column) {
    String[] texts = row.get(column, String[].class);
    return texts == null ? List.of() : List.of(texts);
  }
}

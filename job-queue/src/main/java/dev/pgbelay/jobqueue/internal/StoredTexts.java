package dev.pgbelay.jobqueue.internal;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.internal.ArrayLiteral;
import dev.pgbelay.jobqueue.FailedAttempt;
import java.sql.Array;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.util.Collection;
import java.util.List;
import org.jooq.Record;
import org.jspecify.annotations.Nullable;

/** Lists of texts as they go into the tables and come out. */
public final class StoredTexts {
  private StoredTexts() {}

  /** The literal of an array of texts; null for none. */
  public static @Nullable String write(Collection<String> texts) {
    if (texts.isEmpty()) {
      return null;
    }
    ArrayLiteral literal =
        ArrayLiteral.of(texts.size(), wrong -> new PgBelayException("a text " + wrong));
    texts.forEach(literal::add);
    return literal.toString();
  }

  /** An array's texts; none for null. */
  public static List<String> of(ResultSet row, int column) throws SQLException {
    Array array = row.getArray(column);
    return array == null ? List.of() : List.of((String[]) array.getArray());
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

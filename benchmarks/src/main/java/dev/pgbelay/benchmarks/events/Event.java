package dev.pgbelay.benchmarks.events;

import dev.pgbelay.benchmarks.Work;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.OffsetDateTime;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** One row, as every contestant that hands out rows has to build it. */
public record Event(
    long id,
    int accountId,
    OffsetDateTime createdAt,
    int status,
    @Nullable OffsetDateTime resolvedAt,
    long amount,
    String payload) {

  /** Reads the current row of a result set with the columns in the order of this record. */
  public static Event of(ResultSet row) throws SQLException {
    return new Event(
        row.getLong(1),
        row.getInt(2),
        row.getObject(3, OffsetDateTime.class),
        row.getInt(4),
        row.getObject(5, OffsetDateTime.class),
        row.getLong(6),
        row.getString(7));
  }

  /** The same arithmetic as {@code EventsSql.SUM_UP}, so that the server can foretell it. */
  public long checksum() {
    return id
        + accountId
        + micros(createdAt)
        + 31L * status
        + (resolvedAt == null ? 0 : micros(resolvedAt))
        + 7 * amount
        + payload.length();
  }

  /** Work that differs when a row is missing, altered, doubled or in another place. */
  public static Work workOf(List<Event> page) {
    long checksum = 0;
    for (Event event : page) {
      checksum = 31 * checksum + event.checksum();
    }
    return new Work(page.size(), checksum);
  }

  private static long micros(OffsetDateTime at) {
    return at.toEpochSecond() * 1_000_000 + at.getNano() / 1_000;
  }
}

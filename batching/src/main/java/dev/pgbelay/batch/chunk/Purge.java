package dev.pgbelay.batch.chunk;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Transactions;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.OffsetDateTime;
import java.time.ZoneId;
import org.jooq.Condition;
import org.jooq.Field;
import org.jooq.Table;

/**
 * Deletes rows that are older than their retention, by the database's clock. Meant to be run again
 * and again: a finished purge begins anew from the start, where the oldest rows are. One that was
 * cancelled stays so, with a warning in the log at each run, until {@link JobControl#restart()}.
 * Rows that become old while it runs go too if the walk has not passed them.
 */
public final class Purge {
  private Purge() {}

  /**
   * A purge by a {@code timestamptz} column. Give it the key {@code (column, primary key)} with an
   * index on them, and it reads nothing but what it deletes; by the primary key it reads the table.
   *
   * @param keep at least 1 second
   * @throws PgBelayException if the column has no time zone: use {@link #olderThan(Transactions,
   *     String, Table, Field, Duration, ZoneId)}
   */
  public static ChunkedJob.Builder olderThan(
      Transactions transactions, String name, Table<?> table, Field<?> column, Duration keep) {
    Class<?> type = column.getType();
    if (type != OffsetDateTime.class && type != Instant.class) {
      throw new PgBelayException(
          "purge '"
              + name
              + "': column "
              + column.getName()
              + " has no time zone ("
              + type.getSimpleName()
              + "), so that its age would depend on the session's; say which zone it is in");
    }
    return purge(transactions, name, table, keep, PurgeSql.older(column, keep));
  }

  /**
   * A purge by a {@code timestamp} or {@code date} column whose values are in {@code zone}. A local
   * time that clocks pass twice counts as the later of the two; a date is old when all of its day
   * is.
   *
   * @param keep at least 1 second
   */
  public static ChunkedJob.Builder olderThan(
      Transactions transactions,
      String name,
      Table<?> table,
      Field<?> column,
      Duration keep,
      ZoneId zone) {
    Class<?> type = column.getType();
    if (type != LocalDateTime.class && type != LocalDate.class) {
      throw new PgBelayException(
          "purge '"
              + name
              + "': column "
              + column.getName()
              + " is a "
              + type.getSimpleName()
              + "; a zone belongs to LocalDateTime and LocalDate only");
    }
    return purge(transactions, name, table, keep, PurgeSql.older(column, keep, zone));
  }

  private static ChunkedJob.Builder purge(
      Transactions transactions, String name, Table<?> table, Duration keep, Condition old) {
    if (keep.compareTo(Duration.ofSeconds(1)) < 0) {
      throw new PgBelayException(
          "purge '" + name + "': keep must be at least 1 second, is " + keep);
    }
    return ChunkedJob.over(transactions, name, table).where(old).delete().restartWhenDone(true);
  }
}

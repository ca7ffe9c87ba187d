package dev.pgbelay.batch.chunk;

import dev.pgbelay.core.Transactions;
import java.util.Map;
import org.jooq.Field;
import org.jooq.Table;

/**
 * Fills a new column of a table in use. In this order: add the column, let all writers write it,
 * then run this; rows that writers make meanwhile are theirs, whichever side of the position they
 * are on.
 */
public final class Backfill {
  private Backfill() {}

  /**
   * Sets {@code column} where it is NULL, so that what writers have set already stays.
   *
   * @param value over the row's other columns; where it is NULL, the column stays NULL
   */
  public static <T> ChunkedJob.Builder missing(
      Transactions transactions, String name, Table<?> table, Field<T> column, Field<T> value) {
    return ChunkedJob.over(transactions, name, table)
        .where(column.isNull())
        .update(Map.of(column, value));
  }

  /**
   * Sets {@code column} where it differs, so that rows that are right already are not written
   * again.
   *
   * @param value over the row's other columns
   */
  public static <T> ChunkedJob.Builder differing(
      Transactions transactions, String name, Table<?> table, Field<T> column, Field<T> value) {
    return ChunkedJob.over(transactions, name, table)
        .where(column.isDistinctFrom(value))
        .update(Map.of(column, value));
  }
}

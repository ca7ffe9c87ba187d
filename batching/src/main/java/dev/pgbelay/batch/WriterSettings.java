package dev.pgbelay.batch;

import dev.pgbelay.core.PgBelayException;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.LongConsumer;
import org.jooq.Condition;
import org.jooq.Field;
import org.jooq.Table;
import org.jspecify.annotations.Nullable;

/** What a {@link BatchWriter} was built with. */
record WriterSettings<R>(
    Table<?> table,
    String name,
    List<MappedColumn<R>> columns,
    List<Field<?>> key,
    @Nullable String keyIndex,
    boolean ignoreConflicts,
    @Nullable List<Field<?>> updated,
    Map<Field<?>, Field<?>> sets,
    boolean onlyIfChanged,
    @Nullable Condition condition,
    Duplicates duplicates,
    boolean partial,
    boolean unordered,
    boolean countsOnly,
    int chunkRows,
    int copyRows,
    long chunkBytes,
    WritePlan.@Nullable Path path,
    List<Field<?>> returning,
    LongConsumer progress,
    int rejectLimit) {
  WriterSettings {
    Set<String> names = new HashSet<>();
    for (MappedColumn<R> column : columns) {
      if (!names.add(column.name())) {
        throw new PgBelayException("column " + column.name() + " is mapped twice");
      }
    }
    if (columns.isEmpty()) {
      throw new PgBelayException("no column is mapped; name some with column(…)");
    }
    if (ignoreConflicts && (updated != null || !sets.isEmpty() || onlyIfChanged)) {
      throw new PgBelayException(
          "ignoreConflicts() updates nothing, so updating(…), set(…) and onlyIfChanged() have no"
              + " meaning beside it");
    }
    if (countsOnly && partial) {
      throw new PgBelayException(
          "partial() needs to tell the fate of each row, which countsOnly() leaves out");
    }
  }

  /**
   * The same, which leaves out refused rows.
   *
   * @param most refused rows with which a call goes on
   */
  WriterSettings<R> partially(int most) {
    return new WriterSettings<>(
        table,
        name,
        columns,
        key,
        keyIndex,
        ignoreConflicts,
        updated,
        sets,
        onlyIfChanged,
        condition,
        duplicates,
        true,
        unordered,
        countsOnly,
        chunkRows,
        copyRows,
        chunkBytes,
        path,
        returning,
        progress,
        most);
  }
}

package dev.pgbelay.batch;

import java.util.List;
import java.util.Map;
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
    long chunkBytes,
    WritePlan.@Nullable Path path,
    List<Field<?>> returning,
    LongConsumer progress) {

  WriterSettings<R> partially() {
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
        chunkBytes,
        path,
        returning,
        progress);
  }
}

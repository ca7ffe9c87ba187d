package dev.pgbelay.batch;

import dev.pgbelay.batch.WritePlan.Operation;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.internal.OptionRange;
import io.micrometer.core.instrument.MeterRegistry;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.function.LongConsumer;
import java.util.function.Predicate;
import java.util.stream.Stream;
import org.jooq.Condition;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.Table;
import org.jooq.exception.DataAccessException;
import org.jspecify.annotations.Nullable;

/**
 * Writes rows by sets and tells the fate of each of them. All rows of a call are written, or, of a
 * partial writer, all that the database takes; upserts, updates and deletes lock in the order of
 * the key, so that concurrent calls on the same key do not deadlock.
 *
 * <p>Works in the caller's transaction and never commits it. A call that throws has been rolled
 * back to where it began, and the transaction stays usable, unless the connection is gone. Blocks
 * for the statements; a call of one chunk is one round trip. Failures that have nothing to do with
 * single rows (deadlock, timeout, connection) come out as jOOQ's {@link DataAccessException} with
 * the driver's exception as cause, and belong to the retry of {@link
 * dev.pgbelay.core.Transactions}.
 *
 * <p>Immutable and safe for several threads: build it once. It looks at the table's definition on
 * first use, and asks once per transaction whether that has changed.
 *
 * <p>While rows travel by COPY the connection cannot be used for anything else. Rows of a stream,
 * or of what is no collection of {@code java.util}, are pulled before that; the functions given to
 * {@link Builder#column} must not use the transaction.
 *
 * @param <R> what a row is given as
 */
public final class BatchWriter<R> {
  private final WriterSettings<R> settings;
  private final BatchEvents events;
  private final WriterCalls<R> calls;

  private BatchWriter(WriterSettings<R> settings, BatchEvents events) {
    this.settings = settings;
    this.events = events;
    this.calls = new WriterCalls<>(settings, events);
  }

  /**
   * Of jOOQ records; all columns of the table unless {@link Builder#columns} names some. A field
   * that was never set is NULL like one that was set to it; leave columns with a DEFAULT out.
   */
  public static <R extends Record> Builder<R> into(Table<R> table) {
    return new Builder<>(table, true);
  }

  /** Of rows of any type; its columns are mapped with {@link Builder#column}. */
  public static <R> Builder<R> into(Table<?> table, Class<R> rows) {
    return new Builder<>(table, Record.class.isAssignableFrom(rows));
  }

  /** Inserts the rows. Columns that are not mapped get their DEFAULT. */
  public BatchResult insert(Tx tx, Iterable<? extends R> rows) {
    return write(tx, Operation.INSERT, RowSource.of(rows));
  }

  /**
   * {@link #insert(Tx, Iterable)} in constant memory. The stream is not closed; make it within the
   * transaction's work, which may run more than once.
   */
  public BatchResult insert(Tx tx, Stream<? extends R> rows) {
    return write(tx, Operation.INSERT, new RowSource<>(rows.iterator()));
  }

  /**
   * Inserts the rows and returns what the server made of them, each value paired with its row:
   * {@link Builder#returning} or else the primary key and all columns that the server fills.
   *
   * @throws BatchException if values cannot be paired with rows on this table and version
   */
  public BatchResult insertReturning(Tx tx, Iterable<? extends R> rows) {
    return calls.write(tx, Operation.INSERT, RowSource.of(rows), true);
  }

  /** {@link #insertReturning(Tx, Iterable)} in constant memory, but for what is returned. */
  public BatchResult insertReturning(Tx tx, Stream<? extends R> rows) {
    return calls.write(tx, Operation.INSERT, new RowSource<>(rows.iterator()), true);
  }

  /** Inserts the rows, or updates those whose key is taken, as the builder said. */
  public BatchResult upsert(Tx tx, Iterable<? extends R> rows) {
    return write(tx, Operation.UPSERT, RowSource.of(rows));
  }

  /** {@link #upsert(Tx, Iterable)} in constant memory. */
  public BatchResult upsert(Tx tx, Stream<? extends R> rows) {
    return write(tx, Operation.UPSERT, new RowSource<>(rows.iterator()));
  }

  /** Updates the stored rows that have the keys of the given ones. */
  public BatchResult update(Tx tx, Iterable<? extends R> rows) {
    return write(tx, Operation.UPDATE, RowSource.of(rows));
  }

  /** {@link #update(Tx, Iterable)} in constant memory. */
  public BatchResult update(Tx tx, Stream<? extends R> rows) {
    return write(tx, Operation.UPDATE, new RowSource<>(rows.iterator()));
  }

  /** Deletes the stored rows that have the keys of the given ones. */
  public BatchResult delete(Tx tx, Iterable<? extends R> rows) {
    return write(tx, Operation.DELETE, RowSource.of(rows));
  }

  /** {@link #delete(Tx, Iterable)} in constant memory. */
  public BatchResult delete(Tx tx, Stream<? extends R> rows) {
    return write(tx, Operation.DELETE, new RowSource<>(rows.iterator()));
  }

  /** How a call with this many rows would be written. Reads the catalog at most. */
  public WritePlan plan(Tx tx, Operation operation, int rows) {
    return calls.plan(tx, operation, rows, returnsBesides(operation));
  }

  private BatchResult write(Tx tx, Operation operation, RowSource<R> rows) {
    return calls.write(tx, operation, rows, returnsBesides(operation));
  }

  /** Inserts return values where they are asked for, the others where the builder said. */
  private boolean returnsBesides(Operation operation) {
    return operation != Operation.INSERT && !settings.returning().isEmpty();
  }

  WriterSettings<R> settings() {
    return settings;
  }

  /**
   * The same writer, which leaves out rows that the database refuses.
   *
   * @param most refused rows with which a call goes on
   */
  BatchWriter<R> partially(int most) {
    if (settings.countsOnly()) {
      throw new PgBelayException(
          "a writer with countsOnly() cannot tell each caller the fate of its row");
    }
    return new BatchWriter<>(settings.partially(most), events);
  }

  /**
   * What a writer is to write, and how. Not safe for several threads.
   *
   * @param <R> what a row is given as
   */
  public static final class Builder<R> {
    private final Table<?> table;
    private final boolean records;
    private final List<MappedColumn<R>> columns = new ArrayList<>();
    private final List<Field<?>> key = new ArrayList<>();
    private final Map<Field<?>, Field<?>> sets = new LinkedHashMap<>();
    private final List<Field<?>> returning = new ArrayList<>();
    private String name;
    private @Nullable String keyIndex;
    private boolean ignoreConflicts;
    private @Nullable List<Field<?>> updated;
    private boolean onlyIfChanged;
    private @Nullable Condition condition;
    private Duplicates duplicates = Duplicates.fail();
    private boolean partial;
    private boolean unordered;
    private boolean countsOnly;
    private int rejectLimit = 1_000;
    private int chunkRows = 10_000;
    private int copyRows = 50_000;
    private long chunkBytes = 8 << 20;
    private WritePlan.@Nullable Path path;
    private LongConsumer progress = rows -> {};
    private @Nullable MeterRegistry registry;

    private Builder(Table<?> table, boolean records) {
      this.table = table;
      this.records = records;
      this.name = table.getName();
    }

    /** The tag {@code name} of the metrics; the table's name by default. */
    public Builder<R> name(String tag) {
      this.name = tag;
      return this;
    }

    /** Maps a column. Null means NULL, never DEFAULT. */
    public <T> Builder<R> column(Field<T> field, Function<? super R, ? extends @Nullable T> value) {
      columns.add(MappedColumn.of(field, value, null));
      return this;
    }

    /** Maps a column of which null means DEFAULT. */
    public <T> Builder<R> columnOrDefault(
        Field<T> field, Function<? super R, ? extends @Nullable T> value) {
      columns.add(MappedColumn.of(field, value, row -> value.apply(row) == null));
      return this;
    }

    /** Maps a column that the chosen rows leave to its DEFAULT; of the others, null means NULL. */
    public <T> Builder<R> columnOrDefault(
        Field<T> field,
        Function<? super R, ? extends @Nullable T> value,
        Predicate<? super R> isDefault) {
      columns.add(MappedColumn.of(field, value, isDefault));
      return this;
    }

    /**
     * Columns of jOOQ records. Every record must have all of them.
     *
     * @throws PgBelayException if rows are not records
     */
    public Builder<R> columns(Field<?>... fields) {
      requireRecords();
      for (Field<?> field : fields) {
        columns.add(MappedColumn.ofRecords(field));
      }
      return this;
    }

    private void requireRecords() {
      if (!records) {
        throw new PgBelayException(
            "columns(…) is for jOOQ records; map each column with column(FIELD, Row::value)");
      }
    }

    /**
     * What tells rows apart: the conflict target of an upsert, and the key of updates and deletes.
     * A unique index must cover exactly these columns. The primary key by default.
     */
    public Builder<R> key(Field<?>... fields) {
      key.clear();
      key.addAll(List.of(fields));
      keyIndex = null;
      return this;
    }

    /**
     * Like {@link #key}, by the name of a unique index, which may be partial or over expressions.
     */
    public Builder<R> keyIndex(String index) {
      keyIndex = index;
      key.clear();
      return this;
    }

    /** Upserts leave rows alone whose key is taken. */
    public Builder<R> ignoreConflicts() {
      ignoreConflicts = true;
      return this;
    }

    /** Updates, and upserts whose key is taken, set these columns; all but the key by default. */
    public Builder<R> updating(Field<?>... fields) {
      updated = List.of(fields);
      return this;
    }

    /**
     * Updates set the column to an expression over the stored row and the given one, whose columns
     * are written {@code DSL.excluded(FIELD)}, as in {@code set(T.QTY,
     * T.QTY.plus(excluded(T.QTY)))}.
     */
    public <T> Builder<R> set(Field<T> field, Field<T> expression) {
      sets.put(field, expression);
      return this;
    }

    /** Updates leave rows alone, as {@code UNCHANGED}, that have the given values already. */
    public Builder<R> onlyIfChanged() {
      onlyIfChanged = true;
      return this;
    }

    /**
     * Updates and deletes happen only where this holds, over the stored row and the given one,
     * whose columns are written {@code DSL.excluded(FIELD)}. Other rows are {@code SKIPPED}.
     */
    public Builder<R> onlyIf(Condition holds) {
      condition = holds;
      return this;
    }

    /** What becomes of rows of one call that have the same key; refused by default. */
    public Builder<R> duplicates(Duplicates policy) {
      duplicates = policy;
      return this;
    }

    /**
     * Rows that the database refuses are left out and reported as {@code REJECTED}; by default one
     * of them fails the call.
     */
    public Builder<R> partial() {
      partial = true;
      return this;
    }

    /**
     * The most rows of a {@link #partial()} call that the database may refuse, or that do not fit
     * their columns: with one more the call fails, as {@code TOO_MANY_REJECTED}, and nothing of it
     * is written. It bounds the search: each such row costs about log2(n) statements. Rows that are
     * refused as duplicates cost none and do not count.
     *
     * @param rows 1 to 1,000,000; 1,000 by default
     */
    public Builder<R> rejectLimit(int rows) {
      OptionRange.require("rejectLimit", rows, 1, 1_000_000);
      rejectLimit = rows;
      return this;
    }

    /**
     * Updates and deletes lock rows as they meet them. Faster by about a third, but concurrent
     * calls on the same rows may deadlock. Upserts stay ordered, for which order is nearly free.
     */
    public Builder<R> unordered() {
      unordered = true;
      return this;
    }

    /** Upserts do not tell the fate of each row, only how many were written. */
    public Builder<R> countsOnly() {
      countsOnly = true;
      return this;
    }

    /**
     * The most that is kept in memory and sent in one statement. Without a forced path, upserts of
     * up to 1,000 rows and updates and deletes of up to 100,000 are one statement all the same, as
     * far as their bytes allow.
     *
     * @param rows 1 to 1,000,000; by default 10,000 of those that travel as arrays, and 50,000 by
     *     COPY
     * @param bytes 1 KiB to 256 MiB; 8 MiB by default. A chunk ends with the row that exceeds it
     */
    public Builder<R> chunk(int rows, long bytes) {
      OptionRange.require("chunk rows", rows, 1, 1_000_000);
      OptionRange.require("chunk bytes", bytes, 1024L, 256L << 20);
      chunkRows = rows;
      copyRows = rows;
      chunkBytes = bytes;
      return this;
    }

    /**
     * Rows travel this way whatever their number, in operations that it is a way of: {@code COPY}
     * is for inserts only, {@code STAGED} for all others; elsewhere the writer chooses. {@code
     * UNNEST} sends what exceeds a chunk in several statements, and then order and duplicates hold
     * within each of them only.
     */
    public Builder<R> path(WritePlan.Path forced) {
      path = forced;
      return this;
    }

    /** Columns of the stored rows that the result is to hold. */
    public Builder<R> returning(Field<?>... fields) {
      returning.clear();
      returning.addAll(List.of(fields));
      return this;
    }

    /** Is told how many rows of a call have been sent, after each chunk, on the calling thread. */
    public Builder<R> progress(LongConsumer rowsSent) {
      progress = rowsSent;
      return this;
    }

    /** Where the metrics of the guide go; none are kept otherwise. */
    public Builder<R> meterRegistry(MeterRegistry metrics) {
      registry = metrics;
      return this;
    }

    /**
     * The writer. Nothing is asked of the database yet.
     *
     * @throws PgBelayException if options do not go together
     */
    public BatchWriter<R> build() {
      if (columns.isEmpty()) {
        requireRecords();
        columns(table.fields());
      }
      WriterSettings<R> built =
          new WriterSettings<>(
              table,
              name,
              List.copyOf(columns),
              List.copyOf(key),
              keyIndex,
              ignoreConflicts,
              updated,
              new LinkedHashMap<>(sets),
              onlyIfChanged,
              condition,
              duplicates,
              partial,
              unordered,
              countsOnly,
              chunkRows,
              copyRows,
              chunkBytes,
              path,
              List.copyOf(returning),
              progress,
              rejectLimit);
      return new BatchWriter<>(
          built, registry == null ? BatchEvents.NONE : new BatchMeters(registry, name));
    }
  }
}

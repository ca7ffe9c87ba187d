package dev.pgbelay.batch;

import dev.pgbelay.core.PgBelayException;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import org.jooq.Field;
import org.jspecify.annotations.Nullable;

/**
 * The fate of every row of one call, by its place in the input, from 0. Costs one byte a row, and
 * eight or one reference more for each returned column. Immutable and safe for several threads.
 *
 * <p>It tells what the statements did. Whether it lasts is decided by the commit of the caller's
 * transaction, and a deferred constraint can still refuse it there.
 */
public final class BatchResult {
  /** What became of a row. */
  public enum Outcome {
    /** A new row is in the table. */
    INSERTED,
    /** The stored row was set to the given values, whether or not they differed. */
    UPDATED,
    /** The stored row had these values already and was left alone, because of onlyIfChanged. */
    UNCHANGED,
    /**
     * Nothing was written: the key was taken and conflicts are ignored, the condition did not hold,
     * there was no row to update or delete, or a trigger dropped it.
     */
    SKIPPED,
    /** Another row of the same call has the same key and was written in its place. */
    DUPLICATE,
    /** The row was deleted. */
    DELETED,
    /** The row was refused; {@link BatchResult#rejections()} says why. Only of partial writers. */
    REJECTED;

    private static final Outcome[] BY_CODE = values();

    /** What stands for it in arrays. */
    @SuppressWarnings("EnumOrdinal") // never leaves the JVM
    byte code() {
      return (byte) ordinal();
    }

    static Outcome of(byte code) {
      return BY_CODE[code];
    }
  }

  /**
   * Why a row was refused.
   *
   * @param row its place in the input, from 0
   * @param sqlState the server's, or the one it would have used where the row was refused before it
   *     was sent
   * @param constraint the constraint that was violated, where there is one
   * @param column the column, where it is known
   * @param message what the server said, without its detail; may quote the value
   */
  public record Rejection(
      int row,
      String sqlState,
      Optional<String> constraint,
      Optional<String> column,
      String message) {}

  private final WritePlan.Operation operation;
  private final WritePlan.Path path;
  private final int size;
  private final byte @Nullable [] codes;
  private final long[] counts;
  private final long written;
  private final List<Rejection> rejections;
  private final List<ReturnedColumn> returned;

  BatchResult(
      WritePlan.Operation operation,
      WritePlan.Path path,
      int size,
      byte @Nullable [] codes,
      long[] counts,
      long written,
      List<Rejection> rejections,
      List<ReturnedColumn> returned) {
    this.operation = operation;
    this.path = path;
    this.size = size;
    this.codes = codes;
    this.counts = counts;
    this.written = written;
    this.rejections = List.copyOf(rejections);
    this.returned = List.copyOf(returned);
  }

  public WritePlan.Operation operation() {
    return operation;
  }

  /** How the rows travelled; of the last chunk, if there were several. */
  public WritePlan.Path path() {
    return path;
  }

  /** How many rows were given. */
  public int size() {
    return size;
  }

  /** How many rows of the table were inserted, updated or deleted. */
  public long written() {
    return written;
  }

  /**
   * The fate of the row at this place.
   *
   * @throws IllegalStateException if the writer counts only
   */
  public Outcome outcome(int row) {
    return Outcome.of(codes()[row]);
  }

  /**
   * How many rows had this outcome.
   *
   * @throws IllegalStateException if the writer counts only, except for {@code REJECTED}
   */
  public long count(Outcome outcome) {
    if (outcome != Outcome.REJECTED) {
      codes();
    }
    return counts[outcome.code()];
  }

  long countOrZero(Outcome outcome) {
    return counts[outcome.code()];
  }

  /**
   * The places of the rows that had this outcome, ascending.
   *
   * @throws IllegalStateException if the writer counts only
   */
  public IntStream rows(Outcome outcome) {
    byte[] all = codes();
    return IntStream.range(0, size).filter(row -> all[row] == outcome.code());
  }

  /** Why rows were refused, by their place in the input; empty for an atomic writer. */
  public List<Rejection> rejections() {
    return rejections;
  }

  /**
   * The value that the stored row has in this column: of insertReturning, and of writers with
   * returning(…). Null where it is NULL, and for rows that were not written.
   *
   * @throws PgBelayException if the column was not asked for
   */
  public <T> @Nullable T returned(int row, Field<T> column) {
    ReturnedColumn values = column(column);
    return row < values.size() ? values.get(row, column) : null;
  }

  /**
   * All values of a whole-number column, by the place of their row; 0 where there is none.
   *
   * @throws PgBelayException if the column was not asked for or has another type
   */
  public long[] returnedLongs(Field<? extends Number> column) {
    return Arrays.copyOf(column(column).longs(), size);
  }

  private ReturnedColumn column(Field<?> column) {
    for (ReturnedColumn candidate : returned) {
      if (candidate.name().equals(column.getName())) {
        return candidate;
      }
    }
    throw new PgBelayException(
        "column "
            + column.getName()
            + " was not returned; returned were "
            + returned.stream().map(ReturnedColumn::name).toList()
            + ". Name it in returning(…)");
  }

  private byte[] codes() {
    if (codes == null) {
      throw new IllegalStateException(
          "the writer was built with countsOnly(): written() is known, outcomes are not");
    }
    return codes;
  }

  @Override
  public String toString() {
    StringBuilder text = new StringBuilder("BatchResult[" + operation + " of " + size);
    for (Outcome outcome : Outcome.values()) {
      if (counts[outcome.code()] > 0) {
        text.append(", ").append(outcome).append(' ').append(counts[outcome.code()]);
      }
    }
    return text.append(']').toString();
  }
}

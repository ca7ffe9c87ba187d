package dev.pgbelay.batch;

import dev.pgbelay.batch.BatchResult.Outcome;
import dev.pgbelay.batch.ShapeSql.Source;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.BitSet;
import java.util.stream.IntStream;
import java.util.stream.LongStream;

/**
 * Runs the statements of one operation. Where all rows are likely to have the same fate, the rows
 * are only counted at first: the count says whether that is so.
 */
final class RowWrites<R> {
  /** The statement cannot tell which rows it wrote: it must be rolled back and be told to. */
  static final class UntoldFatesException extends Exception {
    private static final long serialVersionUID = 1L;

    UntoldFatesException() {
      super(null, null, false, false);
    }
  }

  /** The rows of one statement. */
  interface Sent {
    int count();

    /** From an ordinal of the statement to a place in the input. */
    int place(long ordinal);

    /** The places in the input of all rows that are sent. */
    IntStream places();
  }

  private static final int RETURNED_AT = 3;

  private final Shape<R> shape;
  private final BatchConnection connection;
  private final Outcomes outcomes;
  private boolean paired;

  RowWrites(Shape<R> shape, BatchConnection connection, Outcomes outcomes) {
    this.shape = shape;
    this.connection = connection;
    this.outcomes = outcomes;
    this.paired = startsPaired(shape);
  }

  private static boolean startsPaired(Shape<?> shape) {
    WriterSettings<?> settings = shape.settings();
    return switch (shape.operation()) {
      case INSERT ->
          shape.returnsValues() || (shape.table().mayDropInserts() && shape.canPairInserts());
      case UPSERT -> !countsUpserts(shape);
      case UPDATE, DELETE ->
          shape.returnsValues()
              || settings.condition() != null
              || !shape.keyIndex().immediate()
              || (settings.onlyIfChanged() && shape.operation() == WritePlan.Operation.UPDATE);
    };
  }

  private static boolean countsUpserts(Shape<?> shape) {
    WriterSettings<?> settings = shape.settings();
    return settings.countsOnly()
        && !shape.returnsValues()
        && !(settings.duplicates().kept() == Duplicates.Kept.NONE
            && !shape.serverRefusesDuplicates());
  }

  /** Whether fates stay unknown because only the count was asked for. */
  boolean countsOnly() {
    return !paired && shape.operation() == WritePlan.Operation.UPSERT;
  }

  /** The statement that the first write of a call sends. */
  static <R> StatementSql first(Shape<R> shape, Source source) {
    return statement(shape, source, startsPaired(shape));
  }

  private static <R> StatementSql statement(Shape<R> shape, Source source, boolean paired) {
    ShapeSql<R> sql = shape.sql();
    return switch (shape.operation()) {
      case INSERT -> paired ? sql.insertPaired() : sql.insertAll();
      case UPSERT -> paired ? sql.upsertPaired(source) : sql.upsertCounted(source, false);
      case UPDATE -> paired ? sql.updatePaired(source, false) : sql.updateCounted(source);
      case DELETE -> paired ? sql.deletePaired(source, false) : sql.deleteCounted(source);
    };
  }

  /** Writes rows without a thought for their fates. */
  void probe(Source source, BatchConnection.Values values) throws SQLException {
    ShapeSql<R> sql = shape.sql();
    StatementSql statement =
        switch (shape.operation()) {
          case INSERT -> sql.insertAll();
          case UPSERT -> sql.upsertCounted(source, false);
          case UPDATE -> sql.updateCounted(source);
          case DELETE -> sql.deleteCounted(source);
        };
    connection.update(statement, values, false);
  }

  /** Writes what becomes of some keys without a thought for the fates of rows. */
  void probeGroups(Source source, BatchConnection.Values values) throws SQLException {
    ShapeSql<R> sql = shape.sql();
    StatementSql statement =
        switch (shape.operation()) {
          case INSERT -> throw new IllegalStateException("an insert has no key");
          case UPSERT -> sql.upsertCounted(source, true);
          case UPDATE -> sql.updatePaired(source, true);
          case DELETE -> sql.deletePaired(source, true);
        };
    connection.query(statement, values, false, row -> {});
  }

  /** Computes the rows and their keys. */
  void evaluate(Source source, BatchConnection.Values values) throws SQLException {
    connection.query(shape.sql().evaluate(source), values, false, row -> {});
  }

  /** The ordinals of the rows of one key. */
  LongStream listGroup(Source source, BatchConnection.Values values) throws SQLException {
    LongStream.Builder ordinals = LongStream.builder();
    connection.query(
        shape.sql().listGroup(source), values, false, row -> ordinals.add(row.getLong(1)));
    return ordinals.build();
  }

  /** Whether the next write sends one row per key and hears of the others. */
  boolean tellsFates() {
    return paired;
  }

  /** The next call of {@link #write} tells the fate of each row. */
  void tellFates() {
    if (shape.operation() == WritePlan.Operation.INSERT && !shape.canPairInserts()) {
      throw BatchException.contract(
          shape.describe()
              + ": a trigger or rule dropped some of the rows, and nothing can tell which: no"
              + " unique index has all of its columns mapped or filled by a DEFAULT. Map a key, or"
              + " use PostgreSQL 17");
    }
    paired = true;
  }

  /**
   * @param sent the rows that the source holds
   * @param thenRelease release the innermost savepoint, in the same message where possible
   */
  void write(Source source, BatchConnection.Values values, Sent sent, boolean thenRelease)
      throws SQLException, UntoldFatesException {
    if (!paired) {
      count(source, values, sent, thenRelease);
      return;
    }
    boolean more = mustLookAgain();
    Seen seen = new Seen();
    connection.query(
        statement(shape, source, paired),
        values,
        thenRelease && !more,
        row -> read(row, sent, seen));
    if (countsWritten()) {
      requireAllPaired(seen);
    }
    if (shape.operation() == WritePlan.Operation.UPSERT && shape.sql().mustClassifyUpserts()) {
      classify(source, values, sent);
    }
    if (thenRelease && more) {
      connection.release();
    }
  }

  private boolean mustLookAgain() {
    return switch (shape.operation()) {
      case INSERT -> !mergesInserts();
      case UPSERT ->
          shape.sql().mustClassifyUpserts() || shape.table().mayDropUpserts() || mayReshapeKeys();
      case UPDATE, DELETE -> false;
    };
  }

  /** A row whose key is stored as another is found out only after it was written. */
  private boolean mayReshapeKeys() {
    UniqueIndex index = shape.keyIndex();
    return shape.columns().stream()
        .filter(ShapeColumn::isReshaped)
        .map(column -> column.column().number())
        .anyMatch(number -> index.columns().contains(number) || index.uses().contains(number));
  }

  /** Whether the statement says how many rows it wrote, beside which of them. */
  private boolean countsWritten() {
    return shape.operation() == WritePlan.Operation.UPSERT
        || (shape.operation() == WritePlan.Operation.INSERT && !mergesInserts());
  }

  private static final class Seen {
    long paired;
    long written;
  }

  private boolean mergesInserts() {
    return shape.sql().mergesInserts();
  }

  private void count(Source source, BatchConnection.Values values, Sent sent, boolean thenRelease)
      throws SQLException, UntoldFatesException {
    Outcome outcome = uniform();
    boolean certain = isCountCertain();
    long count =
        connection.update(statement(shape, source, paired), values, thenRelease && certain);
    if (shape.operation() == WritePlan.Operation.UPSERT) {
      outcomes.addWritten(count);
    } else if (count != sent.count()) {
      requireUndoable(certain && thenRelease);
      throw new UntoldFatesException();
    } else {
      sent.places().forEach(at -> outcomes.set(at, outcome));
    }
    if (thenRelease && !certain) {
      connection.release();
    }
  }

  /** Of all others the count decides whether the rows may stay. */
  private boolean isCountCertain() {
    return switch (shape.operation()) {
      case INSERT -> !shape.table().mayDropInserts();
      case UPSERT -> true;
      case UPDATE, DELETE -> false;
    };
  }

  private void requireUndoable(boolean released) {
    if (released) {
      BatchException lost =
          BatchException.contract(
              shape.describe() + ": rows were dropped by a table without triggers or rules");
      connection.abort(lost);
      throw lost;
    }
  }

  private Outcome uniform() {
    return switch (shape.operation()) {
      case INSERT -> Outcome.INSERTED;
      case UPSERT, UPDATE -> Outcome.UPDATED;
      case DELETE -> Outcome.DELETED;
    };
  }

  private void read(ResultSet row, Sent sent, Seen seen) throws SQLException {
    if (countsWritten()) {
      seen.written = row.getLong(RETURNED_AT + shape.returned().size());
    }
    long ordinal = row.getLong(1);
    if (row.wasNull()) {
      return;
    }
    int at = sent.place(ordinal);
    Outcome fate = FATES[row.getInt(2)];
    if (fate == Outcome.INSERTED || fate == Outcome.UPDATED) {
      seen.paired++;
    }
    outcomes.set(at, fate);
    outcomes.readReturned(at, row, RETURNED_AT);
  }

  private static final Outcome[] FATES = {
    Outcome.INSERTED,
    Outcome.UPDATED,
    Outcome.UNCHANGED,
    Outcome.SKIPPED,
    Outcome.DUPLICATE,
    Outcome.DELETED
  };

  private void requireAllPaired(Seen seen) {
    if (seen.paired != seen.written) {
      throw BatchException.contract(
          shape.describe()
              + ": "
              + seen.paired
              + " of "
              + seen.written
              + " written rows could be paired with their input. A trigger rewrites the key, or drops"
              + " rows that no key tells apart; write such rows with countsOnly(), or insert them on"
              + " PostgreSQL 17 or later");
    }
  }

  private void classify(Source source, BatchConnection.Values values, Sent sent)
      throws SQLException {
    boolean partitioned = shape.table().isPartitioned();
    boolean changes = shape.settings().onlyIfChanged();
    // Nothing is known of a row that is not there: a trigger dropped it.
    BitSet stored = new BitSet();
    connection.query(
        shape.sql().classifyUpsert(source),
        values,
        false,
        row -> {
          int at = sent.place(row.getLong(1));
          stored.set(at);
          if (outcomes.has(at, Outcome.UNCHANGED)) {
            if (row.getBoolean(3)) {
              outcomes.set(at, Outcome.SKIPPED);
            }
          } else if (partitioned && outcomes.has(at, Outcome.INSERTED) && !row.getBoolean(2)) {
            outcomes.set(at, Outcome.UPDATED);
          }
        });
    if (changes) {
      sent.places()
          .filter(at -> outcomes.has(at, Outcome.UNCHANGED) && !stored.get(at))
          .forEach(at -> outcomes.set(at, Outcome.SKIPPED));
    }
  }
}

package dev.pgbelay.batch;

import dev.pgbelay.batch.WritePlan.Operation;
import dev.pgbelay.batch.WritePlan.Path;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.stream.IntStream;

/** One call of a writer, from its first row to its result. */
final class WriteCall<R> {
  private static final String CALL = "pgbelay_call";
  private static final String COPIED = "pgbelay_copy";

  private final Shape<R> shape;
  private final WriterSettings<R> settings;
  private final BatchConnection connection;
  private final RowSource<R> source;
  private final Outcomes outcomes;
  private final RowWrites<R> writes;
  private final GuardedWrite guarded;
  private final SavepointBudget budget;
  private final ArrayEncoder<R> encoder;
  private Path path = Path.UNNEST;

  WriteCall(
      Shape<R> shape, BatchConnection connection, RowSource<R> source, SavepointBudget budget) {
    this.shape = shape;
    this.settings = shape.settings();
    this.connection = connection;
    this.source = source;
    this.budget = budget;
    this.outcomes = new Outcomes(settings.countsOnly(), shape.returned());
    this.writes = new RowWrites<>(shape, connection, outcomes);
    this.guarded = new GuardedWrite(connection, shape, writes, outcomes, budget);
    this.encoder = new ArrayEncoder<>(shape.columns(), connection.driver());
  }

  long probes() {
    return guarded.probes();
  }

  BatchResult run() throws SQLException {
    try {
      if (shape.operation() == Operation.INSERT) {
        insert();
      } else {
        writeByKey();
      }
    } catch (Throwable t) {
      connection.unwind(CALL, t);
      throw t;
    }
    if (connection.isOpen(CALL)) {
      connection.release();
    }
    return outcomes.toResult(shape.operation(), path);
  }

  private void openCall() throws SQLException {
    if (!connection.isOpen(CALL)) {
      connection.savepoint(CALL);
      connection.flush();
    }
  }

  private void insert() throws SQLException {
    boolean copies = Routes.copies(settings, shape, source);
    if (copies && !copyIsStillRight()) {
      if (settings.path() == Path.COPY) {
        throw BatchException.contract(
            shape.describe()
                + ": the table has got row level security, rules or an identity GENERATED ALWAYS"
                + " since it was looked at, under which COPY is not right");
      }
      copies = false;
    }
    while (!source.isEmpty()) {
      // Where few rows are left, COPY's own round trips cost more than it saves.
      if (copies && (settings.path() == Path.COPY || source.holds(Routes.COPY_FROM))) {
        copyChunk();
      } else {
        writeChunk(readChunk());
      }
      settings.progress().accept(outcomes.size());
    }
  }

  /**
   * Goes through the pool's proxy, which notices that the connection is in use: a pool that knew
   * nothing of a COPY would hand an abandoned transaction to the next borrower.
   */
  private boolean copyIsStillRight() throws SQLException {
    List<String> columns = shape.columns().stream().map(ShapeColumn::name).toList();
    return Catalog.allowsCopy(connection.connection(), shape.renderedTable(), columns);
  }

  private void copyChunk() throws SQLException {
    path = Path.COPY;
    openCall();
    Chunk<R> chunk = new Chunk<>(source.place());
    boolean bare = !budget.take();
    if (!bare) {
      connection.savepoint(COPIED);
    }
    CopyStream<R> stream =
        new CopyStream<>(connection, shape.sql().copyTable(), shape.columns(), false);
    try {
      while (!source.isEmpty()
          && chunk.rows.size() < settings.chunkRows()
          && stream.bytes() < settings.chunkBytes()) {
        int place = source.place();
        R row = source.next();
        chunk.add(row);
        outcomes.grow(place + 1);
        try {
          stream.add(row, place);
        } catch (UnfitValueException e) {
          refuse(e, place);
          chunk.leaveOutLast();
        }
      }
      if (stream.finish() == stream.rows()) {
        chunk.goodPlaces().forEach(at -> outcomes.set(at, BatchResult.Outcome.INSERTED));
        if (!bare) {
          connection.release();
        }
        return;
      }
      connection.unwind(COPIED, null);
      writes.tellFates();
    } catch (SQLException e) {
      stream.abandon(e);
      connection.unwind(COPIED, e);
      if (bare || !RowFailure.is(e, shape.table().rowSecurity())) {
        throw e;
      }
    } catch (Throwable t) {
      stream.abandon(t);
      connection.unwind(COPIED, t);
      throw t;
    }
    guarded.write(new ArrayUnit<>(writes, encoder, chunk.rows, chunk.first, null), chunk.leftOut);
  }

  private void writeByKey() throws SQLException {
    if (Routes.stages(settings, shape, source)) {
      stage();
      return;
    }
    while (!source.isEmpty()) {
      Chunk<R> chunk = readChunk();
      if (!source.isEmpty() && settings.path() == null) {
        // Too many bytes for one statement; several would not lock in order of the key.
        source.pushBack(chunk.rows);
        stage();
        return;
      }
      writeChunk(chunk);
      settings.progress().accept(outcomes.size());
    }
  }

  private Chunk<R> readChunk() {
    encoder.clear();
    Chunk<R> chunk = new Chunk<>(source.place());
    while (!source.isEmpty()
        && chunk.rows.size() < Routes.chunkRows(settings, shape)
        && encoder.bytes() < settings.chunkBytes()) {
      int place = source.place();
      R row = source.next();
      chunk.add(row);
      try {
        encoder.add(row, place);
      } catch (UnfitValueException e) {
        chunk.refused.add(e.rejection(place));
        chunk.leaveOutLast();
        if (!settings.partial()) {
          throw BatchException.rejected(shape.describe(), e.rejection(place), null);
        }
      }
    }
    return chunk;
  }

  private void writeChunk(Chunk<R> chunk) throws SQLException {
    path = Path.UNNEST;
    outcomes.grow(chunk.first + chunk.rows.size());
    chunk.refused.forEach(outcomes::reject);
    if (!source.isEmpty()) {
      openCall();
    }
    guarded.write(
        new ArrayUnit<>(writes, encoder, chunk.rows, chunk.first, chunk.leftOut), chunk.leftOut);
  }

  private void refuse(UnfitValueException unfit, int place) {
    if (!settings.partial()) {
      throw BatchException.rejected(shape.describe(), unfit.rejection(place), null);
    }
    outcomes.reject(unfit.rejection(place));
  }

  private void stage() throws SQLException {
    path = Path.STAGED;
    if (!shape.table().tempAllowed()) {
      throw BatchException.contract(
          shape.describe()
              + ": so many rows go through a temporary table, and the user may not create one;"
              + " grant TEMPORARY on the database, or write fewer rows a call");
    }
    openCall();
    connection.command(shape.sql().createStage());
    BitSet leftOut = new BitSet();
    CopyStream<R> stream =
        new CopyStream<>(connection, shape.sql().copyStage(), shape.columns(), true);
    try {
      while (!source.isEmpty()) {
        int place = source.place();
        outcomes.grow(place + 1);
        try {
          stream.add(source.next(), place);
        } catch (UnfitValueException e) {
          refuse(e, place);
          leftOut.set(place);
        }
        if ((place + 1) % settings.chunkRows() == 0) {
          settings.progress().accept(place + 1);
        }
      }
      stream.finish();
    } catch (Throwable t) {
      stream.abandon(t);
      throw t;
    }
    guarded.write(new StageUnit<>(writes, connection, outcomes.size()), leftOut);
    connection.command(shape.sql().dropStage());
    settings.progress().accept(outcomes.size());
  }

  /** Rows that are kept until their fate is known. */
  private static final class Chunk<R> {
    final List<R> rows = new ArrayList<>();
    final BitSet leftOut = new BitSet();
    final List<BatchResult.Rejection> refused = new ArrayList<>();
    final int first;

    Chunk(int first) {
      this.first = first;
    }

    void add(R row) {
      rows.add(row);
    }

    void leaveOutLast() {
      leftOut.set(rows.size() - 1);
    }

    IntStream goodPlaces() {
      return IntStream.range(0, rows.size())
          .filter(index -> !leftOut.get(index))
          .map(index -> first + index);
    }
  }
}

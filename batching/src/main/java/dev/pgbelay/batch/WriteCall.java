package dev.pgbelay.batch;

import dev.pgbelay.batch.WritePlan.Operation;
import dev.pgbelay.batch.WritePlan.Path;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;

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
  private final RowLengths<R> lengths;
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
    this.lengths = new RowLengths<>(shape.columns());
    source.measureBy(lengths, settings.chunkBytes());
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
    connection.release(CALL);
    return outcomes.toResult(shape.operation(), path);
  }

  private void openCall() throws SQLException {
    if (!connection.isOpen(CALL)) {
      connection.savepoint(CALL);
    }
  }

  private void insert() throws SQLException {
    boolean copies = Routes.copies(settings, shape, source);
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
   * The savepoint goes through the pool's proxy, which notices that the connection is in use: a
   * pool that knew nothing of a COPY would hand an abandoned transaction to the next borrower.
   */
  private void copyChunk() throws SQLException {
    path = Path.COPY;
    Chunk<R> chunk = new Chunk<>(source.place());
    pull(chunk);
    if (source.isAtHand() ? source.hasMoreThan(settings.copyRows()) : !source.isEmpty()) {
      openCall();
    }
    // What is the whole call needs no other savepoint.
    String savepoint = connection.isOpen(CALL) ? COPIED : CALL;
    boolean stays = budget.take();
    connection.savepoint(savepoint);
    try {
      if (copy(chunk, shape.sql().copyTable(), false)) {
        if (!stays) {
          // Known to work: once more, as part of what is around it.
          connection.unwind(savepoint, null);
          if (!source.isEmpty()) {
            openCall();
          }
          copyAgain(chunk);
        } else if (!source.isEmpty() && savepoint.equals(COPIED)) {
          connection.release();
        }
        outcomes.fill(chunk.first, BatchResult.Outcome.INSERTED);
        return;
      }
      connection.unwind(savepoint, null);
      writes.tellFates();
    } catch (SQLException e) {
      boolean known = connection.isOpen(savepoint);
      connection.unwind(savepoint, e);
      if (!known || !RowFailure.is(e, shape.table().rowSecurity())) {
        throw e;
      }
    } catch (Throwable t) {
      connection.unwind(savepoint, t);
      throw t;
    }
    if (!source.isEmpty()) {
      openCall();
    }
    guarded.write(new ArrayUnit<>(writes, encoder, chunk.rows, chunk.first, null), chunk.leftOut);
  }

  /**
   * Sends rows that were pulled before, for while COPY lasts, whoever makes them could not use the
   * connection; rows that are at hand are pulled on the way, so that the server need not wait.
   *
   * @return whether the server took as many as were sent
   */
  private boolean copy(Chunk<R> chunk, StatementSql into, boolean staged) throws SQLException {
    CopyStream<R> stream = new CopyStream<>(connection, into, shape.columns(), staged);
    try {
      try {
        encode(chunk, stream);
      } finally {
        // The server may refuse a row while later ones are still on their way.
        close(chunk);
      }
      return stream.finish() == stream.rows();
    } catch (Throwable t) {
      stream.abandon(t);
      throw t;
    }
  }

  /** What was encoded is the chunk; what was pulled beyond it goes back. */
  private void close(Chunk<R> chunk) {
    source.pushBack(chunk.removeFrom(chunk.encoded));
    outcomes.grow(chunk.first + chunk.encoded);
    chunk.refused.forEach(outcomes::reject);
  }

  private void copyAgain(Chunk<R> chunk) throws SQLException {
    CopyStream<R> stream =
        new CopyStream<>(connection, shape.sql().copyTable(), shape.columns(), false);
    try {
      for (int i = chunk.leftOut.nextClearBit(0);
          i < chunk.rows.size();
          i = chunk.leftOut.nextClearBit(i + 1)) {
        stream.add(chunk.rows.get(i), chunk.first + i);
      }
      if (stream.finish() != stream.rows()) {
        throw BatchException.contract(
            shape.describe() + ": a trigger took rows once and dropped them the second time");
      }
    } catch (Throwable t) {
      stream.abandon(t);
      throw t;
    }
  }

  private void pull(Chunk<R> chunk) {
    long bytes = 0;
    while (!source.isAtHand()
        && chunk.rows.size() < settings.copyRows()
        && bytes < settings.chunkBytes()
        && !source.isEmpty()) {
      R row = source.next();
      chunk.rows.add(row);
      bytes += lengths.of(row);
    }
  }

  /** Encodes what was pulled, as far as the chunk's bytes allow. */
  private void encode(Chunk<R> chunk, CopyStream<R> stream) throws SQLException {
    while (chunk.encoded == 0 || stream.bytes() < settings.chunkBytes()) {
      int index = chunk.encoded;
      if (index == chunk.rows.size()) {
        if (!source.isAtHand() || index == settings.copyRows() || source.isEmpty()) {
          return;
        }
        chunk.rows.add(source.next());
      }
      try {
        stream.add(chunk.rows.get(index), chunk.first + index);
      } catch (UnfitValueException e) {
        refuse(chunk, index, e);
      }
      chunk.encoded++;
    }
  }

  private void refuse(Chunk<R> chunk, int index, UnfitValueException unfit) {
    BatchResult.Rejection rejection = unfit.rejection(chunk.first + index);
    if (!settings.partial()) {
      throw BatchException.rejected(shape.describe(), rejection, null);
    }
    chunk.leftOut.set(index);
    chunk.refused.add(rejection);
    if (outcomes.refused() + chunk.refused.size() > settings.rejectLimit()) {
      throw BatchException.tooManyRejected(
          shape.describe(), settings.rejectLimit(), rejection, null);
    }
  }

  private void writeByKey() throws SQLException {
    if (Routes.stages(settings, shape, source)) {
      stage();
      return;
    }
    while (!source.isEmpty()) {
      Chunk<R> chunk = readChunk();
      if (!source.isEmpty() && Routes.forced(settings, shape) == null) {
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
      chunk.rows.add(row);
      try {
        encoder.add(row, place);
      } catch (UnfitValueException e) {
        refuse(chunk, place - chunk.first, e);
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
    while (!source.isEmpty()) {
      Chunk<R> chunk = new Chunk<>(source.place());
      pull(chunk);
      copy(chunk, shape.sql().copyStage(), true);
      chunk.leftOut.stream().forEach(index -> leftOut.set(chunk.first + index));
      if (!source.isEmpty()) {
        settings.progress().accept(outcomes.size());
      }
    }
    guarded.write(new StageUnit<>(writes, connection, outcomes.size()), leftOut);
    connection.releaseWith(CALL, shape.sql().dropStage());
    settings.progress().accept(outcomes.size());
  }

  /** Rows that are kept until their fate is known. */
  private static final class Chunk<R> {
    final List<R> rows = new ArrayList<>();
    final BitSet leftOut = new BitSet();
    final List<BatchResult.Rejection> refused = new ArrayList<>();
    final int first;

    /** How many of the rows COPY has taken, or refused by name. */
    int encoded;

    Chunk(int first) {
      this.first = first;
    }

    /** The rows from there on, which are not part of it after all. */
    List<R> removeFrom(int index) {
      List<R> tail = rows.subList(index, rows.size());
      List<R> removed = new ArrayList<>(tail);
      tail.clear();
      return removed;
    }
  }
}

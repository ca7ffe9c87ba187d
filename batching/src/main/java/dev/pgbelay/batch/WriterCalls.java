package dev.pgbelay.batch;

import dev.pgbelay.batch.WritePlan.Operation;
import dev.pgbelay.core.FailureKind;
import dev.pgbelay.core.Failures;
import dev.pgbelay.core.Tx;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.jooq.exception.DataAccessException;

/** Runs the calls of a writer, each with the shape that its table has then, and counts them. */
final class WriterCalls<R> {
  private final WriterSettings<R> settings;
  private final BatchEvents events;
  private final Shapes<R> shapes;

  WriterCalls(WriterSettings<R> settings, BatchEvents events) {
    this.settings = settings;
    this.events = events;
    this.shapes = new Shapes<>(settings);
  }

  WritePlan plan(Tx tx, Operation operation, int rows, boolean returning) {
    try {
      Shape<R> shape = shapes.current(tx, tx.connection(), operation, returning);
      WritePlan.Path path = Routes.pathOf(settings, shape, rows);
      return new WritePlan(
          operation,
          path,
          Routes.reason(settings, shape, rows),
          Optional.ofNullable(shape.keyIndexOrNull()).map(UniqueIndex::name),
          Routes.statements(shape, path));
    } catch (SQLException e) {
      throw new DataAccessException("the table could not be looked at", e);
    }
  }

  BatchResult write(Tx tx, Operation operation, RowSource<R> source, boolean returning) {
    if (source.isEmpty()) {
      return new Outcomes(settings.countsOnly(), List.of())
          .toResult(operation, WritePlan.Path.UNNEST);
    }
    long start = System.nanoTime();
    try {
      Connection connection = tx.connection();
      Shape<R> shape = shapes.locked(tx, connection, operation, returning);
      BatchConnection session = new BatchConnection(connection, tx.dsl());
      WriteCall<R> call = new WriteCall<>(shape, session, source, budget(tx));
      BatchResult result = call.run();
      events.written(result, since(start), session.statements(), call.probes());
      return result;
    } catch (SQLException e) {
      FailureKind kind = Failures.classify(e);
      if (kind == FailureKind.INVALID_STATEMENT) {
        shapes.forget();
      }
      events.failed(operation, kind, since(start));
      throw new DataAccessException(
          operation.tag() + " on " + settings.table().getName() + " failed", e);
    } catch (BatchException e) {
      events.failed(operation, Failures.classify(e), since(start));
      throw e;
    }
  }

  private static Duration since(long start) {
    return Duration.ofNanos(System.nanoTime() - start);
  }

  private static SavepointBudget budget(Tx tx) {
    TransactionState state = TransactionState.known(tx);
    if (state == null) {
      throw new IllegalStateException("the transaction has not been looked at");
    }
    return state.budget();
  }
}

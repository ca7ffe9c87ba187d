package dev.pgbelay.batch;

import dev.pgbelay.batch.WritePlan.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Decides how rows travel. The sizes are those from which the other way was seen to pay. */
final class Routes {
  /** From 2,000 rows on COPY beats arrays over loopback; a millisecond away, from 8,000 on. */
  static final int COPY_FROM = 5_000;

  /** Rows from which a stage beats arrays for upserts. */
  static final int STAGE_FROM = 10_000;

  /** Updates and deletes are faster as arrays for as long as those fit into one statement. */
  static final int STAGE_UPDATES_FROM = 100_001;

  /** Up to so many upserts a statement costs less than the catalog entries of a stage. */
  static final int UPSERTS_AT_ONCE = 1_000;

  private Routes() {}

  /** The forced path, if it is one of the operation: a writer does several. */
  static @Nullable Path forced(WriterSettings<?> settings, Shape<?> shape) {
    boolean insert = shape.operation() == WritePlan.Operation.INSERT;
    return settings.path() == (insert ? Path.STAGED : Path.COPY) ? null : settings.path();
  }

  static <R> boolean copies(WriterSettings<R> settings, Shape<R> shape, RowSource<R> source) {
    String obstacle = shape.noCopy();
    if (forced(settings, shape) == Path.COPY && obstacle != null) {
      throw BatchException.contract(
          shape.describe()
              + ": COPY is forced, but "
              + obstacle
              + "; leave the choice to the writer");
    }
    return forced(settings, shape) == Path.COPY
        || (forced(settings, shape) != Path.UNNEST && obstacle == null && source.holds(COPY_FROM));
  }

  static <R> boolean stages(WriterSettings<R> settings, Shape<R> shape, RowSource<R> source) {
    return forced(settings, shape) == Path.STAGED
        || (forced(settings, shape) == null && source.holds(stageFrom(settings, shape)));
  }

  private static int stageFrom(WriterSettings<?> settings, Shape<?> shape) {
    return shape.operation() == WritePlan.Operation.UPSERT
        ? Math.min(STAGE_FROM, Math.max(settings.chunkRows(), UPSERTS_AT_ONCE) + 1)
        : STAGE_UPDATES_FROM;
  }

  /** The most rows of one statement. */
  static int chunkRows(WriterSettings<?> settings, Shape<?> shape) {
    if (forced(settings, shape) != null) {
      return settings.chunkRows();
    }
    return switch (shape.operation()) {
      case INSERT -> settings.chunkRows();
      case UPSERT -> Math.max(settings.chunkRows(), UPSERTS_AT_ONCE);
      case UPDATE, DELETE -> STAGE_UPDATES_FROM;
    };
  }

  static Path pathOf(WriterSettings<?> settings, Shape<?> shape, int rows) {
    if (shape.operation() == WritePlan.Operation.INSERT) {
      boolean copy =
          forced(settings, shape) == Path.COPY
              || (forced(settings, shape) != Path.UNNEST
                  && shape.noCopy() == null
                  && rows >= COPY_FROM);
      return copy ? Path.COPY : Path.UNNEST;
    }
    boolean stage =
        forced(settings, shape) == Path.STAGED
            || (forced(settings, shape) == null && rows >= stageFrom(settings, shape));
    return stage ? Path.STAGED : Path.UNNEST;
  }

  /** The statements of a call, for people to read. */
  static <R> List<String> statements(Shape<R> shape, Path path) {
    ShapeSql<R> sql = shape.sql();
    return switch (path) {
      case COPY -> List.of(sql.copyTable().text());
      case UNNEST -> List.of(RowWrites.first(shape, ShapeSql.Source.ARRAYS).text());
      case STAGED ->
          List.of(
              sql.createStage().text(),
              sql.copyStage().text(),
              RowWrites.first(shape, ShapeSql.Source.STAGE).text(),
              sql.dropStage().text());
    };
  }

  static String reason(WriterSettings<?> settings, Shape<?> shape, int rows) {
    if (forced(settings, shape) != null) {
      return "forced";
    }
    boolean insert = shape.operation() == WritePlan.Operation.INSERT;
    String foreign = "";
    if (settings.path() != null) {
      foreign =
          insert
              ? "STAGED is forced, but is not for inserts; "
              : "COPY is forced, but is for inserts only; ";
    }
    @Nullable String obstacle = insert ? shape.noCopy() : null;
    if (obstacle != null) {
      return foreign + obstacle;
    }
    int from = insert ? COPY_FROM : stageFrom(settings, shape);
    return foreign
        + (rows >= from
            ? "from " + from + " rows on this is faster"
            : "below " + from + " rows this is faster");
  }
}

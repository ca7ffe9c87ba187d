package dev.pgbelay.keyset;

import dev.pgbelay.core.FailureKind;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.TransactionException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.keyset.PageReader.Chunk;
import dev.pgbelay.keyset.PageStatement.Limits;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.IntFunction;
import java.util.stream.IntStream;

/**
 * Reads all rows of a query in its order and hands them on one by one, in constant memory: one
 * chunk is held at a time. Two ways, which cannot be combined:
 *
 * <ul>
 *   <li>{@link #run} and {@link #resume}: each chunk is a short transaction of its own, so nothing
 *       is held open while your code works, vacuum is not held back, and an export can go on from a
 *       cursor after the connection, the server or the process died. Rows that change meanwhile are
 *       seen as they are when the walk reaches them (the guarantee of {@link KeysetQuery}).
 *   <li>{@link #snapshot}: all rows as of one moment, read by several threads. Its transactions
 *       stay open until the end and hold vacuum back; it cannot be resumed, because a snapshot dies
 *       with the transaction that exported it.
 * </ul>
 *
 * <p>Blocks the calling thread until the end. A lost connection is retried for the chunk as the
 * {@code Transactions} say; no row of a chunk is handed on before its transaction has ended, so a
 * retry never repeats one. Exceptions of the receiver pass through and end the export. Immutable
 * and safe for use by several threads, each run by itself.
 *
 * @param <T> what a row becomes
 */
public final class KeysetExport<T> {
  private static final int DEFAULT_CHUNK_ROWS = 5_000;
  private static final int MAX_CHUNK_ROWS = 100_000;

  private final KeysetQuery<T> query;
  private final Transactions transactions;
  private final int chunkRows;
  private final TxOptions options;
  private final Consumer<Progress> onProgress;

  private KeysetExport(
      KeysetQuery<T> query,
      Transactions transactions,
      int chunkRows,
      TxOptions options,
      Consumer<Progress> onProgress) {
    this.query = query;
    this.transactions = transactions;
    this.chunkRows = chunkRows;
    this.options = options;
    this.onProgress = onProgress;
  }

  /**
   * How far an export has come.
   *
   * @param rows handed on by this run
   * @param cursor where {@link #resume} goes on; empty at the end, before the first row, and in a
   *     snapshot
   * @param finished whether all rows were handed on
   */
  public record Progress(long rows, Optional<String> cursor, boolean finished) {}

  /** An export that stopped because a chunk could not be read; the cause says why. */
  public static final class Interrupted extends PgBelayException {
    private static final long serialVersionUID = 1L;

    private final transient Progress progress;

    Interrupted(String message, Progress progress, Throwable cause) {
      super(message, cause);
      this.progress = progress;
    }

    /** What was handed on, and the cursor to {@link #resume} from (none: start again). */
    public Progress progress() {
      return progress;
    }
  }

  /** With chunks of 5,000 rows, in read-only transactions of the path {@code keyset-export}. */
  public static <T> KeysetExport<T> of(KeysetQuery<T> query, Transactions transactions) {
    return new KeysetExport<>(
        query,
        transactions,
        DEFAULT_CHUNK_ROWS,
        TxOptions.builder().path("keyset-export").readOnly(true).build(),
        progress -> {});
  }

  /**
   * Rows per statement, and held in memory at a time: 1 to 100,000. The query's page cap does not
   * apply.
   *
   * @throws PgBelayException outside of that range
   */
  public KeysetExport<T> chunkRows(int chunkRows) {
    if (chunkRows < 1 || chunkRows > MAX_CHUNK_ROWS) {
      throw new PgBelayException(
          "keyset export of '%s': chunkRows must be 1 to %d, but is %d"
              .formatted(query.name(), MAX_CHUNK_ROWS, chunkRows));
    }
    return new KeysetExport<>(query, transactions, chunkRows, options, onProgress);
  }

  /** Options for the transactions: path, deadline, tenant and other settings, retry. */
  public KeysetExport<T> transactionOptions(TxOptions options) {
    return new KeysetExport<>(query, transactions, chunkRows, options, onProgress);
  }

  /**
   * Called after each chunk, once its last row was handed on: the place to write the cursor down.
   * In a snapshot it is called by the readers' threads, one at a time.
   */
  public KeysetExport<T> onProgress(Consumer<Progress> onProgress) {
    return new KeysetExport<>(query, transactions, chunkRows, options, onProgress);
  }

  /**
   * From the first row.
   *
   * @throws Interrupted if a chunk could not be read, after the retries
   */
  public Progress run(Consumer<? super T> receiver) {
    return walk(here -> Boundary.NONE, Optional.empty(), receiver);
  }

  /**
   * From behind the row that the cursor names: one of {@link Progress#cursor()}, of {@link
   * Page#cursors()}, or of an earlier process.
   *
   * @throws InvalidCursorException if this query, scope and filters did not make the cursor
   * @throws Interrupted if a chunk could not be read, after the retries
   */
  public Progress resume(String cursor, Consumer<? super T> receiver) {
    return walk(here -> here.position(cursor), Optional.of(cursor), receiver);
  }

  private Progress walk(Start<T> start, Optional<String> from, Consumer<? super T> receiver) {
    query.filters().requireComplete();
    Start<T> position = start;
    Optional<String> bookmark = from;
    long rows = 0;
    while (true) {
      Read<T> read = read(position, rows, bookmark);
      Chunk<T> chunk = read.chunk();
      chunk.items().forEach(receiver);
      rows += chunk.items().size();
      if (chunk.last() == null) {
        Progress end = new Progress(rows, Optional.empty(), true);
        onProgress.accept(end);
        return end;
      }
      Boundary last = chunk.last();
      position = here -> last;
      bookmark = Optional.of(read.query().cursor(last));
      onProgress.accept(new Progress(rows, bookmark, false));
    }
  }

  /**
   * Where to go on; a cursor is read by the query as the transaction's settings name its tables.
   */
  private interface Start<T> {
    Boundary in(KeysetQuery<T> here);
  }

  private record Read<T>(Chunk<T> chunk, KeysetQuery<T> query) {}

  private Read<T> read(Start<T> start, long rowsSoFar, Optional<String> bookmark) {
    Limits limits = new Limits(chunkRows, 0, 0);
    try {
      return transactions.run(
          options,
          tx -> {
            KeysetQuery<T> here = query.under(tx.dsl());
            PreparedQuery<T> prepared = here.prepared();
            Boundary position = start.in(here);
            prepared.meet(tx.dsl());
            PageStatement statement = prepared.pageStatement(PageShape.after(position));
            return new Read<>(
                prepared.reader().readChunk(tx.dsl(), statement, limits, position, here.filters()),
                here);
          });
    } catch (InvalidCursorException e) {
      throw e;
    } catch (RuntimeException e) {
      if (rowsSoFar == 0 && (e instanceof InvalidKeysetQueryException || isMisuse(e))) {
        throw e;
      }
      throw new Interrupted(
          "export of query '%s' stopped after %d rows; %s"
              .formatted(
                  query.name(),
                  rowsSoFar,
                  bookmark.isEmpty()
                      ? "nothing was handed on, start again"
                      : "go on with resume(progress().cursor().get(), ...)"),
          new Progress(rowsSoFar, bookmark, false),
          e);
    }
  }

  private static boolean isMisuse(RuntimeException e) {
    return e instanceof TransactionException failed && failed.kind() == FailureKind.MISUSE;
  }

  /**
   * All rows as of one moment, by several readers, each on a thread and a connection of its own;
   * one connection more finds where to divide the work and keeps the snapshot. Every reader hands
   * on stretches of neighbouring rows in their order, but the stretches of one reader lie apart.
   *
   * @param readers 1 to 64
   * @param receivers gives the receiver of each reader, 0 to {@code readers - 1}; each is called by
   *     one thread at a time
   * @throws PgBelayException if any part fails; then the whole export has failed
   */
  public Progress snapshot(int readers, IntFunction<? extends Consumer<? super T>> receivers) {
    if (readers < 1 || readers > 64) {
      throw new PgBelayException(
          "keyset export of '%s': readers must be 1 to 64, but is %d"
              .formatted(query.name(), readers));
    }
    query.filters().requireComplete();
    List<? extends Consumer<? super T>> all =
        IntStream.range(0, readers).mapToObj(receivers).toList();
    return new SnapshotExport<>(query, transactions, options, chunkRows, onProgress).run(all);
  }
}

package dev.pgbelay.jobqueue.deadletter;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.internal.OptionRange;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.jobqueue.JobKind;
import dev.pgbelay.jobqueue.inspect.JobPage;
import dev.pgbelay.jobqueue.internal.IdCursor;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.jooq.DSLContext;

/**
 * The jobs that failed for good: to look at, to run again, to throw away. They stay until somebody
 * runs them again or throws them away, unless a worker was given a retention for them.
 *
 * <p>Works in the caller's transaction and never ends it. Safe for several threads.
 */
public final class DeadLetters {
  private static final int LARGEST_PAGE = 1_000;

  private final DeadLetterSql sql;

  private DeadLetters(DeadLetterSql sql) {
    this.sql = sql;
  }

  /** Those of the schema {@value SchemaInstaller#DEFAULT_SCHEMA}. */
  public static DeadLetters create() {
    return inSchema(SchemaInstaller.DEFAULT_SCHEMA);
  }

  /** Those of another schema. */
  public static DeadLetters inSchema(String schema) {
    return new DeadLetters(new DeadLetterSql(schema));
  }

  /** What became of a call about one letter. */
  public enum Outcome {
    /** It was done. */
    DONE,
    /** There is no dead letter of that id. */
    NOT_FOUND
  }

  /** The first page of {@link #list(DSLContext, JobKind, String, int)}. */
  public JobPage<DeadLetter> list(DSLContext dsl, JobKind<?> kind, int limit) {
    return list(dsl, kind, IdCursor.FIRST, limit);
  }

  /**
   * A page of one kind's dead letters, by ascending id; one statement.
   *
   * @param after {@link JobPage#next} of the page before
   * @param limit 1 to 1,000
   * @throws PgBelayException if the limit is out of its range, or {@code after} is of no page
   */
  public JobPage<DeadLetter> list(DSLContext dsl, JobKind<?> kind, String after, int limit) {
    return list(dsl, kind, IdCursor.read(after), limit);
  }

  private JobPage<DeadLetter> list(DSLContext dsl, JobKind<?> kind, long after, int limit) {
    OptionRange.require("limit", limit, 1, LARGEST_PAGE);
    return page(sql.list(dsl, kind.name(), after, limit), limit);
  }

  /** The first page of {@link #listAll(DSLContext, String, int)}. */
  public JobPage<DeadLetter> listAll(DSLContext dsl, int limit) {
    return listAll(dsl, IdCursor.FIRST, limit);
  }

  /** A page of all dead letters, as {@link #list(DSLContext, JobKind, String, int)}. */
  public JobPage<DeadLetter> listAll(DSLContext dsl, String after, int limit) {
    return listAll(dsl, IdCursor.read(after), limit);
  }

  private JobPage<DeadLetter> listAll(DSLContext dsl, long after, int limit) {
    OptionRange.require("limit", limit, 1, LARGEST_PAGE);
    return page(sql.listAll(dsl, after, limit), limit);
  }

  private static JobPage<DeadLetter> page(List<DeadLetter> letters, int limit) {
    return new JobPage<>(
        letters,
        letters.size() == limit
            ? Optional.of(IdCursor.of(letters.get(limit - 1).id()))
            : Optional.empty());
  }

  /**
   * The payload of a dead letter as its kind writes it; one statement. As large as it was when it
   * was enqueued: 64 MiB at most, one letter a call. Neither logged here nor by jOOQ, and no part
   * of an exception's message or cause.
   *
   * @return empty if there is no dead letter of that id and kind
   * @throws PgBelayException if the kind's codec refuses it; {@link #bytes} reads it all the same
   */
  public <P> Optional<P> payload(DSLContext dsl, JobKind<P> kind, long id) {
    return sql.payload(dsl, kind.name(), id).map(bytes -> decoded(kind, id, bytes));
  }

  /** The codec's own exception is left out: it may quote what it could not read. */
  private static <P> P decoded(JobKind<P> kind, long id, byte[] bytes) {
    String refusal;
    try {
      return Objects.requireNonNull(kind.codec().decode(bytes));
    } catch (Exception e) {
      refusal = e.getClass().getName();
    }
    throw new PgBelayException(
        "the payload of dead letter "
            + id
            + " cannot be read by the codec of "
            + kind
            + " ("
            + refusal
            + "): bytes(dsl, id) has it as it was stored");
  }

  /**
   * {@link #payload} as it was stored, of any kind, for one that its codec refuses.
   *
   * @return empty if there is no dead letter of that id
   */
  public Optional<byte[]> bytes(DSLContext dsl, long id) {
    return sql.payload(dsl, id);
  }

  /**
   * Puts a job back into its queue, due now, with all its attempts before it. It keeps its id, its
   * headers and the record of what failed.
   */
  public Outcome redrive(Tx tx, long id) {
    return sql.redrive(tx.dsl(), id) == 1 ? Outcome.DONE : Outcome.NOT_FOUND;
  }

  /**
   * {@link #redrive} for up to {@code limit} jobs of a kind, those with the smallest ids first;
   * those that somebody else is redriving or deleting at the same time are passed over.
   *
   * @param limit 1 to 1,000; call it again, in another transaction, while it returns as many
   * @return how many there were
   */
  public int redrive(Tx tx, JobKind<?> kind, int limit) {
    OptionRange.require("limit", limit, 1, LARGEST_PAGE);
    return sql.redriveKind(tx.dsl(), kind.name(), limit);
  }

  /** Throws one away. */
  public Outcome delete(Tx tx, long id) {
    return sql.delete(tx.dsl(), id) == 1 ? Outcome.DONE : Outcome.NOT_FOUND;
  }
}

package dev.pgbelay.jobqueue.deadletter;

import dev.pgbelay.core.Tx;
import dev.pgbelay.core.internal.OptionRange;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.jobqueue.JobKind;
import java.util.List;
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

  /**
   * A page of one kind's dead letters, by ascending id; one statement.
   *
   * @param after the id of the last one seen; 0 for the first page
   * @param limit 1 to 1,000
   */
  public List<DeadLetter> list(DSLContext dsl, JobKind<?> kind, long after, int limit) {
    OptionRange.require("limit", limit, 1, LARGEST_PAGE);
    return sql.list(dsl, kind.name(), after, limit);
  }

  /** A page of all dead letters, as {@link #list}. */
  public List<DeadLetter> listAll(DSLContext dsl, long after, int limit) {
    OptionRange.require("limit", limit, 1, LARGEST_PAGE);
    return sql.listAll(dsl, after, limit);
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
